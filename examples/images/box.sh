#!/bin/sh
# box.sh FILE.tar: a small root file system for an image: sh, cat, ls, uname, sleep, httpd and a page. Of a static busybox where this
# machine has one, else of its own programs with the libraries that they name, and httpd in Perl.
set -eu
[ $# -eq 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
own=$(cd "$(dirname "$0")" && pwd)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/bin" "$root/www"
echo "from the image" >"$root/www/index.html"

# A program at a path, and each library at the path where it is looked for.
take() {
    cp -L "$1" "$root$2"
    for library in $(ldd "$1" | grep -o '/[^ )]*'); do
        mkdir -p "$root$(dirname "$library")"
        cp -L "$library" "$root$library"
    done
}

busybox=$(command -v busybox || true)
if [ -n "$busybox" ] && ! ldd "$busybox" >/dev/null 2>&1; then
    cp -L "$busybox" "$root/bin/busybox"
    for name in sh cat ls uname sleep httpd; do ln -s busybox "$root/bin/$name"; done
else
    for name in sh cat ls uname sleep perl; do
        program=$(command -v "$name") || { echo "box.sh: neither a static busybox nor $name is here: install busybox-static" >&2; exit 3; }
        take "$program" "/bin/$name"
    done
    cp "$own/box/httpd" "$root/bin/httpd"
fi
chmod -R u=rwX,go=rX "$root"
tar --owner=0 --group=0 --numeric-owner -C "$root" -cf "$1" .
