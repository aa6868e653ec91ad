#!/bin/sh
# Whether what was deployed works.
set -eu

usage() {
    cat <<'HELP'
verify_deployment.sh [--comprehensive] [-v] [-y]
Ask HEALTH_URL (http://127.0.0.1:9090) whether the service is ready, and look at the schema.
  --comprehensive  the settings, the daily checklist and the newest dump, too
  -v               show every command
  -y               for cron: nothing is ever asked here
  --help           show this
Exit status: 0 it works, 1 or more it does not, 2 also of wrong arguments.
HELP
}

comprehensive=
while [ $# -gt 0 ]; do
    case $1 in
        --comprehensive) comprehensive=1 ;;
        -v) set -x ;;
        -y) ;;
        --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done

curl --fail --silent --show-error --max-time 10 "${HEALTH_URL:-http://127.0.0.1:9090}/health/ready"
llm-observatory migrate status
llm-observatory migrate verify
if [ -n "$comprehensive" ]; then
    llm-observatory check
    llm-observatory doctor
    llm-observatory backup verify
fi
