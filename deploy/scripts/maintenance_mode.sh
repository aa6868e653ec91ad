#!/bin/sh
# Records refused for as long as an operator works; questions are answered.
set -eu

usage() {
    cat <<'HELP'
maintenance_mode.sh --enable | --disable
Clients are told to come back (UNAVAILABLE with RetryInfo) and keep their records meanwhile.
HELP
}

# shellcheck source=deploy/scripts/options.sh
. "$(dirname "$(readlink -f "$0")")/options.sh"
on='' off=''
parse 'on=--enable off=--disable' "$@"
[ "$on$off" = 1 ] || wrong 'either --enable or --disable'

exec llm-observatory maintenance "${on:+on}${off:+off}"
