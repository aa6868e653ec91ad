#!/bin/sh
# The monthly exercise: the newest dump, from S3 where a bucket is named, into a database of its own, counted.
set -eu

usage() {
    cat <<'HELP'
test_dr_restore.sh [-b BUCKET]
Restore the newest dump (of BACKUP_DIR, or of the bucket) into database DR_DATABASE (llm_observatory_dr_test), compare the
rows of each table with the manifest, and say how long it took. The database stays until the next run.
  -b BUCKET  take it from S3
Exit status: 0 restored and equal, 1 not, 2 wrong arguments.
HELP
}

# shellcheck source=deploy/scripts/options.sh
. "$(dirname "$(readlink -f "$0")")/options.sh"
bucket=''
parse 'bucket=-b:' "$@"

file=backups/latest.sql.gz
if [ -z "$bucket" ]; then
    file=${BACKUP_DIR:-/var/lib/postgresql/backups/daily}/latest.sql.gz
    llm-observatory backup verify "$file"
fi
llm-observatory restore "$file" ${bucket:+--bucket "$bucket"} --target "${DR_DATABASE:-llm_observatory_dr_test}" --drop-existing --yes
