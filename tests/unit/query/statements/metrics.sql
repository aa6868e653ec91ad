-- metrics
SELECT metric_name, metric_type, unit, description, temporality, is_monotonic, count(*)
FROM metric_labels
WHERE tenant = %(tenant)s AND starts_with(metric_name, %(v0)s)
    AND series_id IN (
        SELECT series_id FROM metric_stats_hourly
        WHERE tenant = %(tenant)s AND bucket >= %(first_hour)s AND bucket < %(end_time)s AND service_name = %(v1)s
    )
GROUP BY 1, 2, 3, 4, 5, 6
ORDER BY 1, 2, 3, 4, 5, 6
LIMIT %(limit)s

-- series
SELECT series_id, metric_name, metric_type, unit, description, temporality, is_monotonic, service_name, labels, source_id
FROM metric_labels
WHERE tenant = %(tenant)s AND left(metric_name, 128) = left(%(metric_name)s, 128) AND metric_name = %(metric_name)s
    AND series_id IN (
        SELECT series_id FROM metric_stats_hourly
        WHERE tenant = %(tenant)s AND metric_name = %(short_name)s AND bucket >= %(first_hour)s AND bucket < %(end_time)s
    )
ORDER BY service_name, series_id
LIMIT %(limit)s

-- resources
SELECT source_id, resource FROM telemetry_sources WHERE tenant = %(tenant)s AND source_id = ANY(%(ids)s::uuid[])

-- values of a sum, steps
WITH points AS (
    SELECT DISTINCT ON (series_id, timestamp, timestamp_nanos) series_id, date_bin(make_interval(secs => %(step)s / 1e6), timestamp, '1970-01-01+00') AS step, timestamp, timestamp_nanos,
        1 AS number, value AS total, value AS least, value AS greatest
    FROM llm_metrics
    WHERE tenant = %(tenant)s AND metric_name = %(short_name)s AND series_id = ANY(%(series_ids)s::uuid[])
        AND timestamp >= %(start_time)s AND timestamp < %(end_time)s AND value IS NOT NULL AND (timestamp, timestamp_nanos) >= (%(v0)s, %(v1)s::int2)
    ORDER BY series_id, timestamp, timestamp_nanos
)
SELECT series_id, step, sum(number)::float8, sum(total), (sum(number) FILTER (WHERE total IS NOT NULL))::float8, min(least), max(greatest),
    (array_agg(total ORDER BY timestamp DESC, timestamp_nanos DESC))[1]
FROM points
GROUP BY series_id, step

-- increases of a sum, steps
WITH points AS (
    SELECT DISTINCT ON (series_id, timestamp, timestamp_nanos) series_id, timestamp, timestamp_nanos, start_timestamp,
        value::float8 AS number, value::float8 AS total
    FROM llm_metrics
    WHERE tenant = %(tenant)s AND metric_name = %(short_name)s AND series_id = ANY(%(series_ids)s::uuid[])
        AND timestamp >= %(look_from)s AND timestamp < %(end_time)s AND value IS NOT NULL
    ORDER BY series_id, timestamp, timestamp_nanos
), pairs AS (
    SELECT *, lag(timestamp) OVER before AS before_time, lag(number) OVER before AS before_number, lag(total) OVER before AS before_total
    FROM points
    WINDOW before AS (PARTITION BY series_id ORDER BY timestamp, timestamp_nanos)
), grown AS (
    SELECT series_id, date_bin(make_interval(secs => %(step)s / 1e6), timestamp, '1970-01-01+00') AS step,
        CASE WHEN start_timestamp >= coalesce(before_time, %(look_from)s) OR number < before_number
 THEN number ELSE number - before_number END AS number,
        CASE WHEN start_timestamp >= coalesce(before_time, %(look_from)s) OR number < before_number
 THEN total ELSE total - before_total END AS total
    FROM pairs
    WHERE timestamp >= %(start_time)s AND (timestamp, timestamp_nanos) >= (%(v0)s, %(v1)s::int2)
)
SELECT series_id, step, sum(number), sum(total), sum(number) FILTER (WHERE total IS NOT NULL)
FROM grown
WHERE number IS NOT NULL
GROUP BY series_id, step

-- values of a sum, one step
WITH points AS (
    SELECT DISTINCT ON (series_id, timestamp, timestamp_nanos) series_id, %(start_time)s::timestamptz AS step, timestamp, timestamp_nanos,
        1 AS number, value AS total, value AS least, value AS greatest
    FROM llm_metrics
    WHERE tenant = %(tenant)s AND metric_name = %(short_name)s AND series_id = ANY(%(series_ids)s::uuid[])
        AND timestamp >= %(start_time)s AND timestamp < %(end_time)s AND value IS NOT NULL AND (timestamp, timestamp_nanos) >= (%(v0)s, %(v1)s::int2)
    ORDER BY series_id, timestamp, timestamp_nanos
)
SELECT series_id, step, sum(number)::float8, sum(total), (sum(number) FILTER (WHERE total IS NOT NULL))::float8, min(least), max(greatest),
    (array_agg(total ORDER BY timestamp DESC, timestamp_nanos DESC))[1]
FROM points
GROUP BY series_id, step

-- increases of a sum, one step
WITH points AS (
    SELECT DISTINCT ON (series_id, timestamp, timestamp_nanos) series_id, timestamp, timestamp_nanos, start_timestamp,
        value::float8 AS number, value::float8 AS total
    FROM llm_metrics
    WHERE tenant = %(tenant)s AND metric_name = %(short_name)s AND series_id = ANY(%(series_ids)s::uuid[])
        AND timestamp >= %(look_from)s AND timestamp < %(end_time)s AND value IS NOT NULL
    ORDER BY series_id, timestamp, timestamp_nanos
), pairs AS (
    SELECT *, lag(timestamp) OVER before AS before_time, lag(number) OVER before AS before_number, lag(total) OVER before AS before_total
    FROM points
    WINDOW before AS (PARTITION BY series_id ORDER BY timestamp, timestamp_nanos)
), grown AS (
    SELECT series_id, %(start_time)s::timestamptz AS step,
        CASE WHEN start_timestamp >= coalesce(before_time, %(look_from)s) OR number < before_number
 THEN number ELSE number - before_number END AS number,
        CASE WHEN start_timestamp >= coalesce(before_time, %(look_from)s) OR number < before_number
 THEN total ELSE total - before_total END AS total
    FROM pairs
    WHERE timestamp >= %(start_time)s AND (timestamp, timestamp_nanos) >= (%(v0)s, %(v1)s::int2)
)
SELECT series_id, step, sum(number), sum(total), sum(number) FILTER (WHERE total IS NOT NULL)
FROM grown
WHERE number IS NOT NULL
GROUP BY series_id, step

-- values of a histogram, steps
WITH points AS (
    SELECT DISTINCT ON (series_id, timestamp, timestamp_nanos) series_id, date_bin(make_interval(secs => %(step)s / 1e6), timestamp, '1970-01-01+00') AS step, timestamp, timestamp_nanos,
        count AS number, sum AS total, min AS least, max AS greatest
    FROM llm_metrics
    WHERE tenant = %(tenant)s AND metric_name = %(short_name)s AND series_id = ANY(%(series_ids)s::uuid[])
        AND timestamp >= %(start_time)s AND timestamp < %(end_time)s AND count IS NOT NULL AND (timestamp, timestamp_nanos) >= (%(v0)s, %(v1)s::int2)
    ORDER BY series_id, timestamp, timestamp_nanos
)
SELECT series_id, step, sum(number)::float8, sum(total), (sum(number) FILTER (WHERE total IS NOT NULL))::float8, min(least), max(greatest),
    (array_agg(total ORDER BY timestamp DESC, timestamp_nanos DESC))[1]
FROM points
GROUP BY series_id, step

-- increases of a histogram, steps
WITH points AS (
    SELECT DISTINCT ON (series_id, timestamp, timestamp_nanos) series_id, timestamp, timestamp_nanos, start_timestamp,
        count::float8 AS number, sum::float8 AS total
    FROM llm_metrics
    WHERE tenant = %(tenant)s AND metric_name = %(short_name)s AND series_id = ANY(%(series_ids)s::uuid[])
        AND timestamp >= %(look_from)s AND timestamp < %(end_time)s AND count IS NOT NULL
    ORDER BY series_id, timestamp, timestamp_nanos
), pairs AS (
    SELECT *, lag(timestamp) OVER before AS before_time, lag(number) OVER before AS before_number, lag(total) OVER before AS before_total
    FROM points
    WINDOW before AS (PARTITION BY series_id ORDER BY timestamp, timestamp_nanos)
), grown AS (
    SELECT series_id, date_bin(make_interval(secs => %(step)s / 1e6), timestamp, '1970-01-01+00') AS step,
        CASE WHEN start_timestamp >= coalesce(before_time, %(look_from)s) OR number < before_number
 THEN number ELSE number - before_number END AS number,
        CASE WHEN start_timestamp >= coalesce(before_time, %(look_from)s) OR number < before_number
 THEN total ELSE total - before_total END AS total
    FROM pairs
    WHERE timestamp >= %(start_time)s AND (timestamp, timestamp_nanos) >= (%(v0)s, %(v1)s::int2)
)
SELECT series_id, step, sum(number), sum(total), sum(number) FILTER (WHERE total IS NOT NULL)
FROM grown
WHERE number IS NOT NULL
GROUP BY series_id, step

-- values of a histogram, one step
WITH points AS (
    SELECT DISTINCT ON (series_id, timestamp, timestamp_nanos) series_id, %(start_time)s::timestamptz AS step, timestamp, timestamp_nanos,
        count AS number, sum AS total, min AS least, max AS greatest
    FROM llm_metrics
    WHERE tenant = %(tenant)s AND metric_name = %(short_name)s AND series_id = ANY(%(series_ids)s::uuid[])
        AND timestamp >= %(start_time)s AND timestamp < %(end_time)s AND count IS NOT NULL AND (timestamp, timestamp_nanos) >= (%(v0)s, %(v1)s::int2)
    ORDER BY series_id, timestamp, timestamp_nanos
)
SELECT series_id, step, sum(number)::float8, sum(total), (sum(number) FILTER (WHERE total IS NOT NULL))::float8, min(least), max(greatest),
    (array_agg(total ORDER BY timestamp DESC, timestamp_nanos DESC))[1]
FROM points
GROUP BY series_id, step

-- increases of a histogram, one step
WITH points AS (
    SELECT DISTINCT ON (series_id, timestamp, timestamp_nanos) series_id, timestamp, timestamp_nanos, start_timestamp,
        count::float8 AS number, sum::float8 AS total
    FROM llm_metrics
    WHERE tenant = %(tenant)s AND metric_name = %(short_name)s AND series_id = ANY(%(series_ids)s::uuid[])
        AND timestamp >= %(look_from)s AND timestamp < %(end_time)s AND count IS NOT NULL
    ORDER BY series_id, timestamp, timestamp_nanos
), pairs AS (
    SELECT *, lag(timestamp) OVER before AS before_time, lag(number) OVER before AS before_number, lag(total) OVER before AS before_total
    FROM points
    WINDOW before AS (PARTITION BY series_id ORDER BY timestamp, timestamp_nanos)
), grown AS (
    SELECT series_id, %(start_time)s::timestamptz AS step,
        CASE WHEN start_timestamp >= coalesce(before_time, %(look_from)s) OR number < before_number
 THEN number ELSE number - before_number END AS number,
        CASE WHEN start_timestamp >= coalesce(before_time, %(look_from)s) OR number < before_number
 THEN total ELSE total - before_total END AS total
    FROM pairs
    WHERE timestamp >= %(start_time)s AND (timestamp, timestamp_nanos) >= (%(v0)s, %(v1)s::int2)
)
SELECT series_id, step, sum(number), sum(total), sum(number) FILTER (WHERE total IS NOT NULL)
FROM grown
WHERE number IS NOT NULL
GROUP BY series_id, step

-- buckets
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
SELECT series_id, timestamp, timestamp_nanos, start_timestamp >= coalesce(before_time, %(look_from)s) OR number < before_number
, min, max, bounds, bucket_counts, distribution
FROM pairs
ORDER BY series_id, timestamp, timestamp_nanos
