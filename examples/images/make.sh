#!/bin/sh
# make.sh FOLDER [IMAGE…]: makes archives of images of containers, as `docker save` writes them, out of this machine's own
# Debian packages: FOLDER/IMAGE.tar. Needs apt-get and dpkg-deb, and no privileges: apt's state, its lists and what it
# downloads are below FOLDER/packages. What is there is not made again, as long as what it is made of stays the same.
#
#   nginx     shop/nginx:    nginx, and a page that it asks the database for
#   mariadb   shop/mariadb:  MariaDB with the shop's stock; its files are those of a volume at /var/lib/mysql
#   busybox   busybox, layers (busybox with 24 layers), debian (a hundred megabytes, some thousands of files): for tests
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ $# -ge 1 ] || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- nginx mariadb busybox layers debian
for tool in apt-get dpkg-deb tar sha256sum; do
    command -v $tool >/dev/null || { echo "make.sh: $tool is not here; images are made of Debian's packages" >&2; exit 3; }
done
debs=$out/packages
mkdir -p "$debs/state/lists/partial" "$debs/archives/partial" "$debs/cache"
: >"$debs/state/status"
work=$(mktemp -d "$out/.making-XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM

# apt as this user, with the machine's sources and a state in which nothing is installed.
apt() {
    apt-get -q -o APT::Sandbox::User="$(id -un)" -o Debug::NoLocking=1 -o Dir::State="$debs/state" \
        -o Dir::State::status="$debs/state/status" -o Dir::Cache="$debs/cache" -o Dir::Cache::archives="$debs/archives" "$@"
}

# Lists of packages are good for a day: what they name is gone some time after that.
fresh_lists() {
    [ -n "$(find "$debs/state/lists" -maxdepth 1 -name '*Packages*' -mmin -1440 2>/dev/null)" ] || apt update >&2
}

# Files of packages and of everything that they depend on, one a line, downloaded.
closure() {
    fresh_lists
    set -- usr-is-merged "$@"
    apt -y --no-install-recommends --simulate install "$@" |
        sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*\[\([a-z0-9]*\)\]).*/\1_\2_\3.deb/p' | sed 's/:/%3a/' | sort >"$work/closure"
    apt -y --no-install-recommends --download-only install "$@" >&2
    while read -r file; do
        [ -f "$debs/archives/$file" ] || { echo "make.sh: apt did not bring $file" >&2; exit 1; }
    done <"$work/closure"
    cat "$work/closure"
}

# Unpacks packages into a root file system, whose /bin and /lib are links as in every Debian of today.
unpack() {
    root=$1
    mkdir -p "$root/etc" "$root/usr/bin" "$root/usr/sbin" "$root/usr/lib" "$root/usr/lib64"
    for merged in bin sbin lib lib64; do [ -e "$root/$merged" ] || ln -s "usr/$merged" "$root/$merged"; done
    while read -r file; do
        dpkg-deb --fsys-tarfile "$debs/archives/$file" | tar -x -C "$root" --keep-directory-symlink --no-same-owner
    done
    # Packages write these when they are installed; here nothing of them is run.
    if [ -f "$root/usr/share/base-passwd/passwd.master" ]; then
        cp "$root/usr/share/base-passwd/passwd.master" "$root/etc/passwd"
        cp "$root/usr/share/base-passwd/group.master" "$root/etc/group"
    fi
    [ ! -x /sbin/ldconfig ] || [ ! -d "$root/etc/ld.so.conf.d" ] || /sbin/ldconfig -r "$root" 2>/dev/null || true
    chmod -R u+rwX "$root"
    rm -rf "$root/var/cache/ldconfig"
}

# Takes away what nobody reads in a container.
without_pages() {
    rm -rf "$1/usr/share/doc" "$1/usr/share/man" "$1/usr/share/locale" "$1/usr/share/info"
}

# A layer of a folder: the same files make the same bytes.
layer() {
    tar -c -C "$1" --sort=name --mtime=@1700000000 --numeric-owner --owner=0 --group=0 --format=pax \
        --pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime .
}

# An image of layers: NAME CONFIG LAYER…, where CONFIG is the `config` of the image and a LAYER a tar.
image() {
    name=$1 config=$2
    shift 2
    archive=$work/archive
    rm -rf "$archive"
    mkdir -p "$archive"
    ids= files= history=
    for tar in "$@"; do
        id=$(sha256sum "$tar" | cut -d' ' -f1)
        cp "$tar" "$archive/$id.tar"
        ids="$ids${ids:+,}\"sha256:$id\"" files="$files${files:+,}\"$id.tar\""
        history="$history${history:+,}{\"created\":\"2023-11-14T22:13:20Z\",\"created_by\":\"make.sh $(basename "$tar" .tar)\"}"
    done
    printf '{"architecture":"%s","os":"linux","created":"2023-11-14T22:13:20Z","config":%s,"rootfs":{"type":"layers","diff_ids":[%s]},"history":[%s]}' \
        "$(dpkg --print-architecture)" "$config" "$ids" "$history" >"$archive/config.json"
    id=$(sha256sum "$archive/config.json" | cut -d' ' -f1)
    mv "$archive/config.json" "$archive/$id.json"
    printf '[{"Config":"%s.json","RepoTags":["%s:latest"],"Layers":[%s]}]' "$id" "$name" "$files" >"$archive/manifest.json"
    (cd "$archive" && tar -c --sort=name --mtime=@1700000000 --numeric-owner --owner=0 --group=0 ./*) >"$work/image.tar"
}

# What each program's image begins with: a shell, coreutils, users and groups. One layer, which they share.
base() {
    closure base-files base-passwd coreutils dash hostname libc-bin sed busybox-static >"$work/base.list"
    unpack "$work/base" <"$work/base.list"
    without_pages "$work/base"
    ln -sf dash "$work/base/usr/bin/sh"
    for applet in wget nc ip ping vi ps; do
        [ -e "$work/base/usr/bin/$applet" ] || ln -s busybox "$work/base/usr/bin/$applet"
    done
    layer "$work/base" >"$work/base.tar"
}

# A layer on top of the base: NAME PACKAGE…
above() {
    program=$1
    shift
    [ -f "$work/base.tar" ] || base
    closure "$@" | comm -13 "$work/base.list" - >"$work/$program.list"
    unpack "$work/$program" <"$work/$program.list"
    without_pages "$work/$program"
    rm -f "$work/$program/etc/ld.so.cache"
    find "$work/$program" -maxdepth 1 -type l -delete
    layer "$work/$program" >"$work/$program.tar"
}

# Our own files on top: the folder beside this script.
files() {
    mkdir -p "$work/$1-files"
    cp -R "$here/$1/." "$work/$1-files"
    chmod -R u=rwX,go=rX "$work/$1-files"
    layer "$work/$1-files" >"$work/$1-files.tar"
}

make_nginx() {
    above nginx nginx fcgiwrap spawn-fcgi mariadb-client-core
    files nginx
    image shop/nginx '{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Entrypoint":["/entrypoint"],"ExposedPorts":{"80/tcp":{}},"StopSignal":"SIGQUIT"}' \
        "$work/base.tar" "$work/nginx.tar" "$work/nginx-files.tar"
}

make_mariadb() {
    above mariadb mariadb-server-core mariadb-client-core
    files mariadb
    image shop/mariadb '{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Entrypoint":["/entrypoint"],"Cmd":["mariadbd"],"ExposedPorts":{"3306/tcp":{}},"Volumes":{"/var/lib/mysql":{}}}' \
        "$work/base.tar" "$work/mariadb.tar" "$work/mariadb-files.tar"
}

# busybox by all its names.
box() {
    [ ! -f "$work/box.tar" ] || return 0
    closure busybox-static base-passwd | grep -E '^(busybox-static|base-passwd)_' >"$work/box.list"
    unpack "$work/boxes" <"$work/box.list"
    mkdir -p "$work/box/bin" "$work/box/etc" "$work/box/tmp" "$work/box/root" "$work/box/home" "$work/box/proc" "$work/box/sys" "$work/box/dev"
    cp "$work/boxes/usr/bin/busybox" "$work/box/bin"
    cp "$work/boxes/etc/passwd" "$work/boxes/etc/group" "$work/box/etc"
    sed -i '/^root:/s|/bin/bash|/bin/sh|' "$work/box/etc/passwd"
    for applet in $("$work/box/bin/busybox" --list); do
        [ "$applet" = busybox ] || ln -s busybox "$work/box/bin/$applet"
    done
    chmod 1777 "$work/box/tmp"
    layer "$work/box" >"$work/box.tar"
}

make_busybox() {
    box
    image busybox '{"Env":["PATH=/bin"],"Cmd":["sh"]}' "$work/box.tar"
}

# Each layer has a file of its own and another word in one that all have; every third removes what the one before made.
make_layers() {
    box
    set -- "$work/box.tar"
    number=1
    while [ $number -le 23 ]; do
        folder=$work/layer-$number
        mkdir -p "$folder/layers"
        echo $number >"$folder/layers/$number"
        echo $number >"$folder/layers/last"
        [ $((number % 3)) -ne 0 ] || : >"$folder/layers/.wh.$((number - 1))"
        layer "$folder" >"$work/layer-$number.tar"
        set -- "$@" "$work/layer-$number.tar"
        number=$((number + 1))
    done
    image layers '{"Env":["PATH=/bin"],"Cmd":["cat","/layers/last"]}' "$@"
}

# Debian's essential packages, in one layer.
make_debian() {
    closure '?essential' >"$work/debian.list"
    unpack "$work/debian" <"$work/debian.list"
    ln -sf dash "$work/debian/usr/bin/sh"
    layer "$work/debian" >"$work/debian.tar"
    image debian '{"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],"Cmd":["bash"]}' "$work/debian.tar"
}

for image; do
    # What an image is made of here: this script, its files, and the day's packages are left to `rm`.
    made=$({ cat "$0"; [ ! -d "$here/$image" ] || find "$here/$image" -type f | sort | xargs cat; } | sha256sum)
    if [ -f "$out/$image.tar" ] && [ "$(cat "$out/$image.made" 2>/dev/null)" = "$made" ]; then
        echo "$out/$image.tar is there"
        continue
    fi
    "make_$image"
    mv "$work/image.tar" "$out/$image.tar"
    echo "$made" >"$out/$image.made"
    echo "$out/$image.tar made"
done
