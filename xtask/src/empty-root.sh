# Runs a binary as user 65532 from a root that holds it, its rules and nothing else, all of it read-only but one folder: what an image
# made of it is. Called in mounts of its own with a folder, the binary and the folder of rules.
set -eu
folder=$1 orion=$2 rules=$3

mount -t tmpfs tmpfs "$folder"
root=$folder/root
mkdir -p "$root/usr/bin" "$root/etc/orion" "$root/var/lib/orion"
cp "$orion" "$root/usr/bin/orion"
cp -r "$rules" "$root/etc/orion/rules"
# As a container engine writes it. There is nothing to resolve names with but what is in the binary.
echo '127.0.0.1 prometheus' >"$root/etc/hosts"
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t tmpfs -o mode=0700,uid=65532,gid=65532 tmpfs "$root/var/lib/orion"

fail() {
    echo "in an empty root: $1" >&2
    cat "$folder/log" >&2
    exit 1
}

# Nobody is behind the port of the name: that is an outage, and goes all the way to a decision.
set -- env -i "PATH=$PATH" PROMETHEUS_URL=http://prometheus:9 ORION_DATA__DIR=/var/lib/orion ORION_RULES__DIR=/etc/orion/rules \
    ORION_PLUGINS__DIR=/etc/orion/plugins ORION_API__LISTEN=127.0.0.1:19600 \
    chroot --userspec=65532:65532 "$root" /usr/bin/orion
"$@" run >"$folder/log" 2>&1 &
pid=$!
memory=$root/var/lib/orion/memory
# With patience: it may be at the lowest priority beside tests.
for _ in $(seq 900); do
    [ -s "$memory/decisions.jsonl" ] && break
    kill -0 "$pid" 2>/dev/null || fail "orion ended"
    sleep 0.2
done
grep -q '"NO_ACTION"' "$memory/decisions.jsonl" || fail "nothing was decided"
grep -q 'refused' "$memory/events.jsonl" || fail "the name of the source was not found"
grep -q '^Uid:.65532.65532.65532.65532' "/proc/$pid/status" || fail "it runs as another user"
grep -q '^Seccomp:.2' "/proc/$pid/status" || fail "it is not confined"
"$@" healthcheck || fail "it does not answer"
kill -TERM "$pid"
wait "$pid" || fail "it did not end in good order"
"$@" audit verify >/dev/null || fail "its records do not hold"
echo "orion ran as user 65532 in a read-only root with nothing else in it, and its records hold." >&2
