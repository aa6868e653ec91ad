-- A span that was stored twice, or whose parent was, is one call.
WITH called AS MATERIALIZED (
    SELECT DISTINCT ON (trace_id, span_id) trace_id, span_id, parent_span_id, service_name, status_code, duration_ms
    FROM (
        SELECT trace_id, span_id, parent_span_id, service_name, status_code, duration_ms, timestamp, timestamp_nanos, duration_ns,
            output_tokens, input_tokens, reported_cost_usd
        FROM llm_traces
        WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s
            AND is_entry AND parent_span_id IS NOT NULL{conditions}
        ORDER BY timestamp DESC
        LIMIT %(sample)s
    ) newest
    ORDER BY trace_id, span_id, timestamp, timestamp_nanos, duration_ns DESC NULLS LAST, output_tokens DESC NULLS LAST,
        input_tokens DESC NULLS LAST, reported_cost_usd DESC NULLS LAST
), calls AS (
    SELECT DISTINCT ON (called.trace_id, called.span_id)
        parent.service_name AS client, called.service_name AS server, called.status_code, called.duration_ms
    FROM called
    JOIN llm_traces parent ON parent.trace_id = called.trace_id AND parent.span_id = called.parent_span_id
    WHERE parent.tenant = %(tenant)s AND parent.timestamp >= %(parents_since)s AND parent.timestamp < %(parents_until)s
        AND parent.service_name <> called.service_name
        AND (%(service_name)s::text = '' OR %(service_name)s IN (parent.service_name, called.service_name))
    ORDER BY called.trace_id, called.span_id, parent.service_name
)
SELECT total.spans, edge.*
FROM (SELECT count(*) AS spans FROM called) total
LEFT JOIN (
    SELECT client, server, count(*) AS calls, count(*) FILTER (WHERE status_code = 2) AS errors,
        percentile_disc(ARRAY[0.5, 0.95, 0.99]) WITHIN GROUP (ORDER BY duration_ms) AS quantiles
    FROM calls
    GROUP BY client, server
    ORDER BY calls DESC, client, server
    LIMIT %(limit)s
) edge ON true
ORDER BY edge.calls DESC, edge.client, edge.server
