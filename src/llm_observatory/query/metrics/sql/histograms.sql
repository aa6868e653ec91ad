-- The points of each series in the order of time, and whether they grew from nothing.
WITH points AS (
    SELECT DISTINCT ON (series_id, timestamp, timestamp_nanos) series_id, timestamp, timestamp_nanos, start_timestamp, count AS number,
        min, max, bounds, bucket_counts, distribution
    FROM llm_metrics
    WHERE tenant = %(tenant)s AND metric_name = %(short_name)s AND series_id = ANY(%(series_ids)s::uuid[])
        AND timestamp >= %(look_from)s AND timestamp < %(end_time)s AND count IS NOT NULL
    ORDER BY series_id, timestamp, timestamp_nanos
    LIMIT %(limit)s
), pairs AS (
    SELECT *, lag(timestamp) OVER before AS before_time, lag(number) OVER before AS before_number
    FROM points
    WINDOW before AS (PARTITION BY series_id ORDER BY timestamp, timestamp_nanos)
)
SELECT series_id, timestamp, timestamp_nanos, {from_nothing}, min, max, bounds, bucket_counts, distribution
FROM pairs
ORDER BY series_id, timestamp, timestamp_nanos
