-- Tables with many rows that were deleted or replaced and not yet vacuumed, the worst first.
SELECT relid::regclass::text AS "table", n_dead_tup AS dead, n_live_tup AS live
FROM pg_stat_user_tables
WHERE n_dead_tup >= %(least)s
ORDER BY n_dead_tup::float8 / (n_dead_tup + n_live_tup) DESC
LIMIT 10
