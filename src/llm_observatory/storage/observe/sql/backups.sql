-- The newest backup of each kind, and the one before it at the same place.
SELECT DISTINCT ON (kind)
    kind, label, destination, finished_at, bytes, database_bytes, verified_at, earlier_bytes, earlier_database_bytes,
    extract(epoch FROM clock_timestamp() - finished_at)::float8 AS age_seconds
FROM (
    SELECT
        *,
        lead(bytes) OVER before AS earlier_bytes,
        lead(database_bytes) OVER before AS earlier_database_bytes
    FROM backups
    WINDOW before AS (PARTITION BY kind, destination ORDER BY finished_at DESC)
) each_with_the_one_before
ORDER BY kind, finished_at DESC
