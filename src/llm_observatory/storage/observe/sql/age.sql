-- Since when the database is ours: its first migration.
SELECT
    min(applied_at) AS created_at,
    extract(epoch FROM clock_timestamp() - min(applied_at))::float8 AS seconds
FROM schema_migrations
