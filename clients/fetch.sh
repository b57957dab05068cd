#!/bin/sh
# fetch.sh FOLDER: brings Docker's clients for `make test-clients`, below FOLDER: Debian's docker command (FOLDER/debian/docker), runc
# (FOLDER/runc), compose v2 (FOLDER/config/cli-plugins), docker-py and testcontainers (FOLDER/python). Packages come from this
# machine's own sources, as this user; what is there is not brought again. No engine is installed, and nothing outside of FOLDER.
set -eu
[ $# -eq 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
debs=$out/packages

# Compose v2 is in trixie: by version and by what it has to be, so that a mirror cannot choose.
compose_version=2.26.1-4
case $(dpkg --print-architecture) in
    amd64) compose_digest=47681197cb2b1ab88206b42a1a92fc75f50d9530a6322d03494a473eed0408ea ;;
    *) compose_digest= ;;
esac

# apt as this user, with the machine's sources, or with those of the file in $sources.
sources=
apt() {
    apt-get -q -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1 -o Dir::State="$debs/state$sources" \
        -o Dir::State::status="$debs/status" -o Dir::Cache="$debs/cache" \
        ${sources:+-o Dir::Etc::sourcelist="$debs/trixie.list" -o Dir::Etc::sourceparts=/dev/null} "$@"
}
mkdir -p "$debs/state/lists/partial" "$debs/state-trixie/lists/partial" "$debs/cache/archives/partial"
: >"$debs/status"

# A package's files, unpacked below a folder.
unpack() {
    (cd "$debs" && apt download "$1" >&2)
    name=${1%%=*}
    mkdir -p "$2"
    dpkg-deb -x "$(ls -t "$debs/${name}"_*.deb | head -n 1)" "$2"
}

if [ ! -x "$out/debian/docker" ] || [ ! -x "$out/runc" ]; then
    apt update >&2
    unpack docker.io "$out/unpacked"
    unpack runc "$out/unpacked"
    mkdir -p "$out/debian"
    cp "$out/unpacked/usr/bin/docker" "$out/debian/docker"
    cp "$(ls "$out"/unpacked/usr/sbin/runc "$out"/unpacked/usr/bin/runc 2>/dev/null | head -n 1)" "$out/runc"
    rm -rf "$out/unpacked"
fi

if [ ! -x "$out/config/cli-plugins/docker-compose" ]; then
    # The machine's own mirror, of the release that has it.
    mirror=$({ sed -n 's/^URIs: *\([^ ]*\).*/\1/p' /etc/apt/sources.list.d/*.sources; sed -n 's/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) .*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/*.list; } 2>/dev/null |
        grep '/debian/*$' | head -n 1)
    [ -n "$mirror" ] || { echo "fetch.sh: no mirror of Debian among this machine's sources" >&2; exit 3; }
    key=$(ls /usr/share/keyrings/debian-archive-keyring.* 2>/dev/null | head -n 1)
    echo "deb ${key:+[signed-by=$key] }$mirror trixie main" >"$debs/trixie.list"
    sources=-trixie
    apt update >&2
    unpack "docker-compose=$compose_version" "$out/unpacked"
    sources=
    file=$(ls -t "$debs"/docker-compose_*.deb | head -n 1)
    got=$(sha256sum "$file" | cut -d' ' -f1)
    [ -z "$compose_digest" ] || [ "$got" = "$compose_digest" ] || { echo "fetch.sh: $file is $got, not $compose_digest" >&2; exit 1; }
    mkdir -p "$out/config/cli-plugins"
    cp "$(find "$out/unpacked" -name docker-compose -type f -size +1M | head -n 1)" "$out/config/cli-plugins/docker-compose"
    chmod +x "$out/config/cli-plugins/docker-compose"
    rm -rf "$out/unpacked"
fi

# Python's clients, again when what they have to be has changed.
requirements=$(cd "$(dirname "$0")" && pwd)/requirements.txt
if ! cmp -s "$requirements" "$out/python/requirements.txt"; then
    rm -rf "$out/python"
    python3 -m venv "$out/python"
    "$out/python/bin/pip" install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r "$requirements"
    cp "$requirements" "$out/python/requirements.txt"
fi
echo "clients are in $out"
