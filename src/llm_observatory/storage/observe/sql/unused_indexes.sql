-- Large indexes of ours that no query has used since the statistics began, if that is long ago, with those of all partitions or
-- chunks as one. Not what keeps rows unique, which is used by writing.
WITH parts AS (
    SELECT coalesce(pg_partition_root(indexrelid), of_hypertable.oid, indexrelid)::oid AS whole, indexrelid, idx_scan
    FROM pg_stat_user_indexes AS part
    JOIN pg_index USING (indexrelid)
    -- TimescaleDB names the index of a chunk by both.
    LEFT JOIN LATERAL (
        SELECT pg_class.oid
        FROM pg_inherits
        JOIN pg_index AS of_parent ON of_parent.indrelid = inhparent
        JOIN pg_class ON pg_class.oid = of_parent.indexrelid
        WHERE inhrelid = part.relid AND part.indexrelname = part.relname || '_' || pg_class.relname
    ) AS of_hypertable ON true
    WHERE NOT indisunique
)
SELECT whole::regclass::text AS name, sum(pg_relation_size(indexrelid))::int8 AS bytes
FROM parts
JOIN pg_class ON pg_class.oid = whole
WHERE relnamespace::regnamespace::text = quote_ident(current_schema())
    AND (
        SELECT coalesce(stats_reset, pg_postmaster_start_time()) FROM pg_stat_database WHERE datname = current_database()
    ) <= now() - make_interval(secs => %(least_seconds)s)
GROUP BY whole
HAVING sum(idx_scan) = 0 AND sum(pg_relation_size(indexrelid)) >= %(least_bytes)s
ORDER BY 2 DESC
LIMIT 10
