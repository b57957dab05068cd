#!/bin/sh
# build.sh FOLDER: ns-3's libraries, out of Debian's packages and as this user, below FOLDER, and networks.cc built against
# them as FOLDER/networks. Needs apt, dpkg-deb and g++; nothing is installed.
set -eu
[ $# -eq 1 ] || { sed -n '2,3s/^# //p' "$0" >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$1"
out=$(cd "$1" && pwd)
if [ ! -e "$out/unpacked" ]; then
    mkdir -p "$out/packages"
    # Debian's name of the library has the version in it.
    library=$(apt-cache depends libns3-dev | sed -n 's/^ *Depends: \(libns3\.[0-9.]*\)$/\1/p')
    (cd "$out/packages" && apt-get -q download libns3-dev "$library" libgsl27 libgslcblas0 libsqlite3-0 >&2)
    for package in "$out"/packages/*.deb; do dpkg-deb -x "$package" "$out/root"; done
    touch "$out/unpacked"
fi
libraries=$(dirname "$(find "$out/root" -name 'libns3-core.so' | head -n 1)")
modules=$(for name in applications bridge core csma internet network point-to-point traffic-control stats; do printf ' -lns3-%s' "$name"; done)
# shellcheck disable=SC2086
g++ -O2 -std=c++17 -Wall -I"$out/root/usr/include" "$here/networks.cc" -o "$out/networks" -L"$libraries" \
    -Wl,--disable-new-dtags,-rpath,"$libraries" -Wl,-rpath-link,"$libraries" $modules
