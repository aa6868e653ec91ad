SELECT root::regclass::text AS "table", sum(seq_scan) AS "sequential scans", sum(coalesce(idx_scan, 0)) AS "index scans"
FROM tree JOIN pg_stat_user_tables ON relid = relation
GROUP BY root
HAVING sum(seq_scan + coalesce(idx_scan, 0)) > 0
ORDER BY sum(seq_scan + coalesce(idx_scan, 0)) DESC
LIMIT 12
