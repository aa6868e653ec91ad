-- Standbys that are connected. replay_lag is NULL where everything was replayed; without pg_read_all_stats all is NULL but the name.
SELECT application_name AS name, coalesce(extract(epoch FROM max(replay_lag)), 0)::float8 AS lag_seconds
FROM pg_stat_replication
WHERE state IN ('streaming', 'catchup')
GROUP BY application_name
