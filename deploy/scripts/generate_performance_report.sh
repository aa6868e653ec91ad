#!/bin/sh
# The figures of run_benchmark.sh over time, as an HTML page.
set -eu

usage() {
    cat <<'HELP'
generate_performance_report.sh [--period weekly|monthly|quarterly|yearly] --output FILE
Draw the files of run_benchmark.sh in BENCHMARK_RESULTS (results).
Exit status: 0 written, 1 not written, 2 wrong arguments, or no runs of that period.
HELP
}

# shellcheck source=deploy/scripts/options.sh
. "$(dirname "$(readlink -f "$0")")/options.sh"
period='' output=''
parse 'period=--period: output=--output:' "$@"
[ -n "$output" ] || wrong '--output FILE is missing'

exec llm-observatory report --period "${period:-monthly}" --output "$output" --runs "${BENCHMARK_RESULTS:-results}"
