-- The name is compared with its index first, which holds the beginning of it.
SELECT series_id, metric_name, metric_type, unit, description, temporality, is_monotonic, service_name, labels, source_id
FROM metric_labels
WHERE tenant = %(tenant)s AND left(metric_name, 128) = left(%(metric_name)s, 128) AND metric_name = %(metric_name)s{conditions}
    AND series_id IN (
        SELECT series_id FROM metric_stats_hourly
        WHERE tenant = %(tenant)s AND metric_name = %(short_name)s AND bucket >= %(first_hour)s AND bucket < %(end_time)s
    )
ORDER BY service_name, series_id
LIMIT %(limit)s
