#!/bin/sh
# demo.sh [VPCLAB [LABFILE]]: brings the example up, holds it to its promises, tries an allowed and a denied port.
# The lab is left running. Where this machine forbids what a lab needs, the line to type is shown, and the simulator plays the
# example instead: nothing runs then.
vpclab=${1:-target/debug/vpclab}
file=${2:-examples/shop.yaml}

step() {
    printf '\n# %s\n$ vpclab' "$1"
    shift
    printf ' %s' "$@"
    printf '\n'
    "$vpclab" "$@"
}

# Here "no" is the answer that is wanted.
denied() {
    "$@"
    answer=$?
    [ "$answer" -eq 1 ] || exit "$answer"
}

step "a VPC with four subnets and four instances" up -f "$file"
up=$?
if [ "$up" -eq 3 ]; then
    printf '\nThis machine cannot run it. The simulator plays it instead, frame by frame, without any privileges:\n'
    step "what the file promises, with simulated packets" up --engine sim "$file" || exit
    step "allowed: the web server may talk to the database" sim check -f "$file" web-1 db-1 tcp/3306 --filter "verb state" || exit
    denied step "denied: the bastion may not" sim check -f "$file" bastion db-1 tcp/3306 --filter "verb drop"
    exit 0
fi
[ "$up" -eq 0 ] || exit "$up"
step "what the file promises, with real packets" test -f "$file" || exit
step "allowed: the web server may talk to the database" check -f "$file" web-1 db-1 tcp/3306 || exit
denied step "denied: the bastion may not" check -f "$file" bastion db-1 tcp/3306

cat <<END

The lab is up. Look around:

    $vpclab graph -f $file             # the network as a tree
    $vpclab exec -f $file web-1        # a shell inside; try: telnet 192.168.0.132 3306
    $vpclab forward -f $file 8080 web-1:80        # then open http://127.0.0.1:8080/ in a browser

Take it down:

    $vpclab down -f $file
END
