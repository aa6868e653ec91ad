-- Large indexes that no query has used since the statistics began, if that is long ago, with those of all partitions as one. Not
-- what keeps rows unique, which is used by writing.
SELECT
    coalesce(pg_partition_root(indexrelid), indexrelid)::regclass::text AS name,
    sum(pg_relation_size(indexrelid))::int8 AS bytes
FROM pg_stat_user_indexes
JOIN pg_index USING (indexrelid)
WHERE NOT indisunique
    AND (
        SELECT coalesce(stats_reset, pg_postmaster_start_time()) FROM pg_stat_database WHERE datname = current_database()
    ) <= now() - make_interval(secs => %(least_seconds)s)
GROUP BY coalesce(pg_partition_root(indexrelid), indexrelid)
HAVING sum(idx_scan) = 0 AND sum(pg_relation_size(indexrelid)) >= %(least_bytes)s
ORDER BY 2 DESC
LIMIT 10
