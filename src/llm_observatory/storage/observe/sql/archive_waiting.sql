SELECT
    count(*) AS files,
    extract(epoch FROM clock_timestamp() - min(modification))::float8 AS oldest_seconds
FROM pg_ls_archive_statusdir()
WHERE name LIKE '%%.ready'
