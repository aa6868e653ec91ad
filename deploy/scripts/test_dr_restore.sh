#!/bin/sh
# The monthly exercise: the newest dump, from S3 where a bucket is named, into a database of its own, counted and dropped.
set -eu

usage() {
    cat <<'HELP'
test_dr_restore.sh [-b BUCKET] [-v] [-y]
Restore the newest dump (of BACKUP_DIR, or of the bucket) into database DR_DATABASE (llm_observatory_dr_test), compare its
rows with the manifest and its schema with this version, and say how long it took. The database stays until the next run.
  -b BUCKET  take it from S3
  -v         show every command
  -y         for cron: nothing is ever asked here
  --help     show this
Exit status: 0 restored and equal, 1 not, 2 wrong arguments.
HELP
}

bucket=
while [ $# -gt 0 ]; do
    case $1 in
        -b) bucket=${2:?-b wants a bucket}; shift ;;
        -v) set -x ;;
        -y) ;;
        --help) usage; exit 0 ;;
        *) usage >&2; exit 2 ;;
    esac
    shift
done

file=backups/latest.sql.gz
if [ -z "$bucket" ]; then
    file=${BACKUP_DIR:-/var/lib/postgresql/backups/daily}/latest.sql.gz
    llm-observatory backup verify "$file"
fi
llm-observatory restore "$file" ${bucket:+--bucket "$bucket"} --target "${DR_DATABASE:-llm_observatory_dr_test}" --drop-existing --yes
