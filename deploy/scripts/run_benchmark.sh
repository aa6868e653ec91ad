#!/bin/sh
# What the service takes in, measured into a file.
set -eu

usage() {
    cat <<'HELP'
run_benchmark.sh --output FILE
Run BENCHMARK on a database of its own, minutes on a quiet machine, and write FILE. It is ingest, or codec or query; options of
`llm-observatory bench` may follow: BENCHMARK="codec --seconds 5".
Exit status: 0 all bars held, 1 one was missed, 2 wrong arguments.
HELP
}

# shellcheck source=deploy/scripts/options.sh
. "$(dirname "$(readlink -f "$0")")/options.sh"
output=''
parse 'output=--output:' "$@"
[ -n "$output" ] || wrong '--output FILE is missing'

# shellcheck disable=SC2086 # the options are words of their own
exec llm-observatory bench ${BENCHMARK:-ingest} --json "$output"
