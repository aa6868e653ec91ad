-- What the points of each series are in each step. A point that was sent again in another request counts once.
WITH points AS (
    SELECT DISTINCT ON (series_id, timestamp, timestamp_nanos) series_id, {step} AS step, timestamp, timestamp_nanos,
        {number} AS number, {total} AS total, {least} AS least, {greatest} AS greatest
    FROM llm_metrics
    WHERE tenant = %(tenant)s AND metric_name = %(short_name)s AND series_id = ANY(%(series_ids)s::uuid[])
        AND timestamp >= %(start_time)s AND timestamp < %(end_time)s AND {measured}{conditions}
    ORDER BY series_id, timestamp, timestamp_nanos
)
SELECT series_id, step, sum(number)::float8, sum(total), (sum(number) FILTER (WHERE total IS NOT NULL))::float8, min(least), max(greatest),
    (array_agg(total ORDER BY timestamp DESC, timestamp_nanos DESC))[1]
FROM points
GROUP BY series_id, step
