WITH newest AS (
    SELECT trace_id, span_id, source_id, attributes, timestamp, timestamp_nanos, duration_ns, {columns}
    FROM llm_traces
    WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s{conditions}
    ORDER BY timestamp DESC
    LIMIT %(sample)s
), sample AS MATERIALIZED (
    SELECT DISTINCT ON (trace_id, span_id) *
    FROM newest
    ORDER BY trace_id, span_id, timestamp, timestamp_nanos, duration_ns DESC NULLS LAST, output_tokens DESC NULLS LAST,
        input_tokens DESC NULLS LAST, reported_cost_usd DESC NULLS LAST
), counted AS (
    SELECT key, 1 AS scope, count(*) AS spans
    FROM sample CROSS JOIN LATERAL jsonb_object_keys(attributes) key
    GROUP BY key
    UNION ALL
    SELECT filled.key, 1, filled.spans
    FROM (SELECT {filled} FROM sample) counts CROSS JOIN LATERAL (VALUES {keys}) filled (key, spans)
    WHERE filled.spans > 0
    UNION ALL
    SELECT key, 2, sum(of_source.spans)
    FROM (SELECT source_id, count(*) AS spans FROM sample GROUP BY source_id) of_source
    JOIN telemetry_sources source ON source.tenant = %(tenant)s AND source.source_id = of_source.source_id
    CROSS JOIN LATERAL jsonb_object_keys(source.resource) key
    GROUP BY key
), written AS (
    -- A key that begins with a dollar sign stands in documents with one more.
    SELECT CASE WHEN starts_with(key, '$') THEN substr(key, 2) ELSE key END AS key, scope, sum(spans)::int8 AS spans
    FROM counted
    GROUP BY 1, 2
)
SELECT total.spans, found.key, found.scope, found.spans
FROM (SELECT count(*) AS spans FROM sample) total
LEFT JOIN (
    SELECT * FROM written
    WHERE starts_with(key, %(prefix)s) AND octet_length(key) <= %(longest)s
    ORDER BY spans DESC, key, scope
    LIMIT %(limit)s
) found ON true
ORDER BY found.spans DESC, found.key, found.scope
