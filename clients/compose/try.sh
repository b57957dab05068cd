#!/bin/sh
# try.sh DOCKER: web, database, volume and network by compose, at DOCKER_HOST, with the plugin in DOCKER_CONFIG. Whatever is not as it
# has to be ends it with a sentence.
set -eu
docker=$1
cd "$(dirname "$0")"
fail() { echo "compose: $*" >&2; exit 1; }
compose() { "$docker" compose -p shop "$@"; }
trap 'compose down -v >/dev/null 2>&1 || true' EXIT
compose up -d --wait >/dev/null 2>&1 || { compose up -d; compose ps -a; compose logs; fail "up failed"; }
[ "$(compose ps --services | sort | tr '\n' ' ')" = "db web " ] || fail "ps: $(compose ps)"
compose ps | grep -q '0.0.0.0:8080->80/tcp' || fail "ps shows no port: $(compose ps)"
[ "$(compose exec -T web sh -c 'echo $DATABASE')" = db ] || fail "exec has no environment"
tries=0
until [ "$(compose exec -T web wget -q -O - http://127.0.0.1/ 2>/dev/null)" = lamp ]; do
    tries=$((tries + 1))
    [ $tries -lt 30 ] || fail "web never had what db has: $(compose logs)"
    sleep 0.2
done
compose exec -T db sh -c 'echo kettle >/data/stock'
compose exec -T web sh -c 'exit 7' && fail "exec's code is lost" || [ $? -eq 7 ] || fail "exec ended with $?"
compose logs >/dev/null || fail "logs"
[ "$(compose run --rm -T db cat /data/stock)" = kettle ] || fail "run sees another volume"
compose restart -t 0 web >/dev/null 2>&1 || fail "restart"
compose stop -t 0 >/dev/null 2>&1 && compose start >/dev/null 2>&1 || fail "stop and start"
# Again, and nothing is made anew.
before=$(compose ps -q | sort)
compose up -d >/dev/null 2>&1 || fail "up again"
[ "$before" = "$(compose ps -q | sort)" ] || fail "up again made other containers"
compose down -t 0 >/dev/null 2>&1 || fail "down"
[ -z "$(compose ps -aq)" ] || fail "down left containers"
"$docker" volume inspect shop_stock >/dev/null || fail "down took the volume"
"$docker" network inspect shop_back >/dev/null 2>&1 && fail "down left the network"
[ "$(compose run --rm -T --no-deps db cat /data/stock)" = kettle ] || fail "the volume did not survive"
compose down -v -t 0 >/dev/null 2>&1 || fail "down -v"
"$docker" volume inspect shop_stock >/dev/null 2>&1 && fail "down -v left the volume"
echo "compose $("$docker" compose version --short) is content"
