#!/bin/sh
# Two files of run_benchmark.sh side by side.
set -eu

usage() {
    cat <<'HELP'
compare_benchmarks.sh BEFORE AFTER
HELP
}

# shellcheck source=deploy/scripts/options.sh
. "$(dirname "$(readlink -f "$0")")/options.sh"
before='' after=''
parse 'before= after=' "$@"
[ -n "$after" ] || wrong 'two files are wanted'

exec llm-observatory bench compare "$before" "$after"
