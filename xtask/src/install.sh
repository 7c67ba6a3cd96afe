# Installs, removes and purges a package on top of this machine, of which nothing is changed: what is written lies in memory. Called in
# mounts of its own with a folder and the package.
set -eu
folder=$1 package=$2

mount -t tmpfs tmpfs "$folder"
mkdir "$folder/upper" "$folder/work" "$folder/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
root=$folder/root
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
cp "$package" "$root/tmp/orion.deb"

fail() {
    echo "the package: $1" >&2
    exit 1
}
inside() {
    chroot "$root" env DEBIAN_FRONTEND=noninteractive "$@"
}

inside dpkg --install /tmp/orion.deb >"$folder/log" 2>&1 || { cat "$folder/log" >&2; fail "it is not installed"; }
inside dpkg --verify orion || fail "files differ from what was packed"
inside orion --version
# With its own settings: they are found, good, and name rules that are.
inside orion config validate /etc/orion/orion.yaml || fail "its settings"
inside orion check --strict >/dev/null || fail "its rules"
inside orion config show | grep -q /var/lib/orion || fail "its settings do not count"
inside systemd-analyze verify --man=no /lib/systemd/system/orion.service || fail "its unit"

# An edit and the audit trail survive: the edit a removal, the trail everything.
mkdir -p "$root/var/lib/orion/memory"
echo '# edited' >>"$root/etc/orion/rules/host.yaml"
inside dpkg --install /tmp/orion.deb >"$folder/log" 2>&1 </dev/null || { cat "$folder/log" >&2; fail "it is not installed again"; }
grep -q '# edited' "$root/etc/orion/rules/host.yaml" || fail "an upgrade wrote over an edit"
inside dpkg --remove orion >/dev/null
[ ! -e "$root/usr/bin/orion" ] || fail "the binary stays"
[ -e "$root/etc/orion/rules/host.yaml" ] || fail "a removal takes settings away"
inside dpkg --purge orion >/dev/null
for left in etc/orion lib/systemd/system/orion.service usr/share/doc/orion; do
    [ ! -e "$root/$left" ] || fail "/$left stays"
done
[ -d "$root/var/lib/orion/memory" ] || fail "the audit trail was deleted"
echo "the package was installed, checked, removed and purged; edits and the audit trail were kept." >&2
