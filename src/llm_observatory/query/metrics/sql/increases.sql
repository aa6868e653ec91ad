-- By how much each series has grown in each step, from the point before to this one or from nothing. A total that points do not
-- have is not 0: there is none, and of how much the total is stands beside it.
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
        CASE WHEN {from_nothing} THEN number ELSE number - before_number END AS number,
        CASE WHEN {from_nothing} THEN total ELSE total - before_total END AS total
    FROM pairs
    WHERE timestamp >= %(start_time)s{conditions}
)
SELECT series_id, step, sum(number), sum(total), sum(number) FILTER (WHERE total IS NOT NULL)
FROM grown
WHERE number IS NOT NULL
GROUP BY series_id, step
