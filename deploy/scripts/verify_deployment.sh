#!/bin/sh
# Whether what was deployed works.
set -eu

usage() {
    cat <<'HELP'
verify_deployment.sh [--comprehensive]
Ask HEALTH_URL (http://127.0.0.1:9090) whether the service is ready, and look at the schema.
  --comprehensive  the settings, the daily checklist (its warnings are only shown) and the newest dump, too
Exit status: 0 it works, 1 or more it does not, 2 also of wrong arguments.
HELP
}

# shellcheck source=deploy/scripts/options.sh
. "$(dirname "$(readlink -f "$0")")/options.sh"
comprehensive=''
parse 'comprehensive=--comprehensive' "$@"

curl --fail --silent --show-error --max-time 10 "${HEALTH_URL:-http://127.0.0.1:9090}/health/ready"
llm-observatory migrate status
llm-observatory migrate verify
if [ -n "$comprehensive" ]; then
    llm-observatory check
    llm-observatory doctor || [ $? -eq 3 ]  # 3: warnings, for people to read; it works
    llm-observatory backup verify
fi
