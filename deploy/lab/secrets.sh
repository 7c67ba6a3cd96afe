#!/bin/sh
# Makes the secrets of the lab in deploy/lab/secrets, once: what is there stays. Needs Rust for `orion-kit`, or the binary on the PATH.
set -eu
cd "$(dirname "$0")"

kit() {
    if command -v orion-kit >/dev/null; then
        orion-kit "$@"
    else
        cargo run --quiet --package orion-kit --bin orion-kit -- "$@"
    fi
}

# Letters and digits alone: it stands in files that give other characters a meaning.
password() {
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

# The folder is for its owner alone. The files in it are mounted one by one and read by the users of several images.
mkdir -p secrets
chmod 0700 secrets
mkdir -p secrets/token-keys
umask 022

[ -s secrets/grafana_password ] || password >secrets/grafana_password

if [ ! -s secrets/redis_password ] || [ ! -s secrets/redis_users ]; then
    password >secrets/redis_password
    digest=$(sha256sum secrets/redis_password | cut -d ' ' -f 1)
    # Nobody without a name; Orion on its own keys, with nothing that reaches other ones or the server; and one that asks for a pong.
    cat >secrets/redis_users <<USERS
user default off
user orion on #$digest ~{orion}:* &{orion}:* -@all +@read +@write +@scripting +@connection -@dangerous +info +time
user health on nopass -@all +ping
USERS
fi

# Who has the secret half issues tokens; Orion is given the public one. Prometheus reads metrics with a token of a year.
if [ ! -s secrets/orion_token ]; then
    rm -f secrets/issuer.key secrets/issuer.pub
    (kit key new secrets/issuer) >&2
    cp secrets/issuer.pub secrets/token-keys/issuer.pub
    kit token --key secrets/issuer.key --subject prometheus --for 365d >secrets/orion_token
fi

echo "The secrets of the lab are in $(pwd)/secrets; grafana_password is the one of the user admin."
