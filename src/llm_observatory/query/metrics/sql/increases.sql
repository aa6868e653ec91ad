-- By how much each series has grown in each step. From the point before to this one; from nothing where the series began anew:
-- its start has moved past the point before, or its number fell. The first point that is known grew from nothing only if its
-- series began after we began to look.
WITH points AS (
    SELECT DISTINCT ON (series_id, timestamp, timestamp_nanos) series_id, timestamp, timestamp_nanos, start_timestamp,
        {number}::float8 AS number, {total}::float8 AS total
    FROM llm_metrics
    WHERE tenant = %(tenant)s AND metric_name = %(short_name)s AND series_id = ANY(%(series_ids)s::uuid[])
        AND timestamp >= %(look_from)s AND timestamp < %(end_time)s AND {measured}
    ORDER BY series_id, timestamp, timestamp_nanos
), pairs AS (
    SELECT *, lag(timestamp) OVER before AS before_time, lag(number) OVER before AS before_number, lag(total) OVER before AS before_total
    FROM points
    WINDOW before AS (PARTITION BY series_id ORDER BY timestamp, timestamp_nanos)
), grown AS (
    SELECT series_id, {step} AS step,
        CASE
            WHEN before_time IS NULL THEN CASE WHEN start_timestamp >= %(look_from)s THEN number END
            WHEN start_timestamp >= before_time AND start_timestamp > '1970-01-01+00' OR number < before_number THEN number
            ELSE number - before_number
        END AS number,
        CASE
            WHEN before_time IS NULL THEN CASE WHEN start_timestamp >= %(look_from)s THEN total END
            WHEN start_timestamp >= before_time AND start_timestamp > '1970-01-01+00' OR number < before_number THEN total
            ELSE total - before_total
        END AS total
    FROM pairs
    WHERE timestamp >= %(start_time)s{conditions}
)
SELECT series_id, step, sum(number), sum(total)
FROM grown
WHERE number IS NOT NULL
GROUP BY series_id, step
