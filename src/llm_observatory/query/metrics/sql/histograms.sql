SELECT DISTINCT ON (series_id, timestamp, timestamp_nanos) series_id, timestamp, timestamp_nanos, start_timestamp, count, min, max,
    bounds, bucket_counts, distribution
FROM llm_metrics
WHERE tenant = %(tenant)s AND metric_name = %(short_name)s AND series_id = ANY(%(series_ids)s::uuid[])
    AND timestamp >= %(look_from)s AND timestamp < %(end_time)s AND count IS NOT NULL
ORDER BY series_id, timestamp, timestamp_nanos
LIMIT %(limit)s
