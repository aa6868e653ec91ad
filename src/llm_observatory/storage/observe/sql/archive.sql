-- How archiving of WAL goes. What waits may be seen by members of pg_monitor: archive_waiting.sql.
SELECT
    current_setting('archive_mode') <> 'off' AS enabled,
    last_archived_time AS last_success,
    failed_count AS failures,
    coalesce(last_failed_time > last_archived_time, last_failed_time IS NOT NULL) AS failed_last,
    extract(epoch FROM clock_timestamp() - last_archived_time)::float8 AS seconds_since_success,
    has_function_privilege('pg_ls_archive_statusdir()', 'EXECUTE') AS waiting_is_visible
FROM pg_stat_archiver
