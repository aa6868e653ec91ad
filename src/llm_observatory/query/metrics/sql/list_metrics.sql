SELECT metric_name, metric_type, unit, description, temporality, is_monotonic, count(*)
FROM metric_labels
WHERE tenant = %(tenant)s{conditions}
    AND series_id IN (
        SELECT series_id FROM metric_stats_hourly
        WHERE tenant = %(tenant)s AND bucket >= %(first_hour)s AND bucket < %(end_time)s{of_service}
    )
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY 1, 2, 3, 4, 5, 6
LIMIT %(limit)s
