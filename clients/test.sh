#!/bin/sh
# test.sh: every client that clients/fetch.sh and clients/fetch_aws.sh brought (VPCLAB_CLIENTS) with the images of VPCLAB_CLIENT_IMAGES.
# Ends with 1 when something failed, after all of them.
set -u
cd "$(dirname "$0")/.."
failed=
try() {
    name=$1
    shift
    printf '== %s\n' "$name"
    "$@" || failed="$failed $name"
}
tests() {
    cargo test -q -p vpclab --test it "$@" -- --nocapture --test-threads 2
}
command -v docker >/dev/null && try "docker of PATH" tests docker_cli::
try "docker of Debian" env VPCLAB_DOCKER="$VPCLAB_CLIENTS/debian/docker" cargo test -q -p vpclab --test it docker_cli:: -- --nocapture --test-threads 2
try "by hand" tests docker_http::
try "programs, compose, the shop, runc" cargo test -q -p vpclab --test it docker_clients:: -- --nocapture --include-ignored --test-threads 1
try "terraform" cargo test -q -p vpclab --test it terraform:: -- --nocapture --include-ignored --test-threads 1
try "ansible, the SDK for JavaScript, the AWS CLI" cargo test -q -p vpclab --test it aws_clients:: -- --nocapture --include-ignored --test-threads 1
[ -z "$failed" ] || { echo "failed:$failed" >&2; exit 1; }
