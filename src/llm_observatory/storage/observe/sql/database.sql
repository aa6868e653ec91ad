-- The database as a whole. Everybody may ask this.
SELECT
    pg_database_size(current_database()) AS size_bytes,
    (
        SELECT blks_hit / nullif(blks_hit + blks_read, 0)::float8
        FROM pg_stat_database WHERE datname = current_database()
    ) AS cache_hit_ratio,
    (SELECT blks_hit + blks_read FROM pg_stat_database WHERE datname = current_database()) AS blocks_asked,
    (SELECT max(age(datfrozenxid)) FROM pg_database) AS transactions_id_age,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS connections,
    current_setting('max_connections')::int AS max_connections,
    (SELECT reason FROM maintenance_mode LIMIT 1) AS maintenance
