SELECT root::regclass::text AS "table", sum(seq_scan) AS "sequential scans", sum(seq_tup_read) AS "rows they read",
       sum(seq_tup_read)::float8 / nullif(sum(seq_scan), 0) AS "rows a scan",
       sum(coalesce(idx_scan, 0)) AS "index scans", sum(coalesce(idx_tup_fetch, 0)) AS "rows they fetched",
       sum(coalesce(idx_scan, 0))::float8 / nullif(sum(seq_scan + coalesce(idx_scan, 0)), 0) AS "by index"
FROM tree JOIN pg_stat_user_tables ON relid = relation
GROUP BY root
HAVING sum(seq_scan + coalesce(idx_scan, 0)) > 0
ORDER BY sum(seq_tup_read) DESC
