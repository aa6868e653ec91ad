-- Each row knows of one span that takes as long as its maximum: so many of them, of so many spans at least.
SELECT duration_ms_max
FROM trace_metrics_hourly rollup
WHERE tenant = %(tenant)s AND rollup.bucket >= %(start_time)s AND rollup.bucket < %(end_time)s
    AND duration_ms_max IS NOT NULL{conditions}
ORDER BY duration_ms_max DESC
OFFSET %(limit)s - 1
LIMIT 1
