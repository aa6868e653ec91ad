SELECT root::regclass::text AS "table", count(*) - 1 AS "partitions",
       sum(heap_blks_hit + idx_blks_hit)::float8 / nullif(sum(heap_blks_hit + idx_blks_hit + heap_blks_read + idx_blks_read), 0) AS "cache hits",
       sum(n_live_tup) AS "live rows", sum(n_dead_tup) AS "dead rows",
       max(greatest(last_autovacuum, last_vacuum)) AS "vacuumed", max(greatest(last_autoanalyze, last_analyze)) AS "analyzed"
FROM tree
LEFT JOIN pg_stat_user_tables ON pg_stat_user_tables.relid = relation
LEFT JOIN pg_statio_user_tables ON pg_statio_user_tables.relid = relation
GROUP BY root
ORDER BY sum(n_live_tup) DESC NULLS LAST
