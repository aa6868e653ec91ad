#!/bin/sh
# Dumps that the bucket does not have yet, and with BACKUP_REPO a backup of the server into pgBackRest's repository in S3.
set -eu

usage() {
    cat <<'HELP'
backup_to_s3.sh -b BUCKET [-e]
Send the dumps of BACKUP_DIR to an S3 bucket. With BACKUP_REPO=2 the server is backed up into that repository, too.
  -b BUCKET  the bucket; AWS_* variables say where S3 is and who we are
  -e         let S3 encrypt what it stores
Nothing is deleted here: `find "$BACKUP_DIR" -name '*.sql.gz*' -mtime +7 -delete` once it succeeded.
Exit status: 0 sent, 1 not sent, 2 wrong arguments.
HELP
}

# shellcheck source=deploy/scripts/options.sh
. "$(dirname "$(readlink -f "$0")")/options.sh"
bucket='' encrypt=''
parse 'bucket=-b: encrypt=-e' "$@"
[ -n "$bucket" ] || wrong '-b BUCKET is missing'

llm-observatory backup upload --bucket "$bucket" ${encrypt:+--encrypt}
if [ -n "${BACKUP_REPO:-}" ]; then
    llm-observatory backup physical --repo "$BACKUP_REPO"
fi
