-- As text: in jsonb 1 and 1.0 are equal.
WITH newest AS (
    SELECT trace_id, span_id, source_id, timestamp, timestamp_nanos, duration_ns, output_tokens, input_tokens, reported_cost_usd,
        {own} AS own
    FROM llm_traces
    WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s{conditions}
    ORDER BY timestamp DESC
    LIMIT %(sample)s
), sample AS MATERIALIZED (
    SELECT DISTINCT ON (trace_id, span_id) *
    FROM newest
    ORDER BY trace_id, span_id, timestamp, timestamp_nanos, duration_ns DESC NULLS LAST, output_tokens DESC NULLS LAST,
        input_tokens DESC NULLS LAST, reported_cost_usd DESC NULLS LAST
), valued AS (
    SELECT {value} AS value
    FROM sample LEFT JOIN telemetry_sources source ON source.tenant = %(tenant)s AND source.source_id = sample.source_id
)
SELECT total.spans, found.value, found.spans
FROM (SELECT count(*) AS spans FROM sample) total
LEFT JOIN (
    SELECT value::text AS value, count(*) AS spans
    FROM valued
    WHERE (jsonb_typeof(value) IN ('string', 'boolean', 'number') OR (jsonb_typeof(value) = 'object' AND value ? '$double'))
        AND (NOT %(prefixed)s::bool OR (jsonb_typeof(value) = 'string' AND starts_with(value #>> '{{}}', %(prefix)s)))
        AND octet_length(value #>> '{{}}') <= %(longest)s
    GROUP BY value::text
    ORDER BY spans DESC, value
    LIMIT %(limit)s
) found ON true
ORDER BY found.spans DESC, found.value
