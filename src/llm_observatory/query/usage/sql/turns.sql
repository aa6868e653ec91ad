WITH span AS MATERIALIZED (
    SELECT DISTINCT ON (trace_id, span_id)
           trace_id, span_id, parent_span_id, timestamp, timestamp_nanos, duration_ns, service_name, span_name, operation,
           coalesce(nullif(response_model, ''), request_model) AS model, agent_name, tool_name, user_id, usage_role,
           input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reported_cost_usd, ttft_ms, finish_reasons,
           status_code, error_type, status_message, (timestamp AT TIME ZONE 'UTC')::date AS day,
           coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
           coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier,
           ({input_band})::int8 AS input_band
    FROM llm_traces
    WHERE tenant = %(tenant)s AND timestamp >= {start} AND timestamp < {end} AND conversation_id = %(conversation_id)s {conditions}
    ORDER BY trace_id, span_id, timestamp, timestamp_nanos, duration_ns DESC NULLS LAST, output_tokens DESC NULLS LAST,
             input_tokens DESC NULLS LAST, reported_cost_usd DESC NULLS LAST
    LIMIT %(limit)s
),
part AS MATERIALIZED (
    SELECT trace_id, span_id, parent_span_id, span.timestamp, span.timestamp_nanos, duration_ns, span.service_name, span_name,
           span.operation, model, span.agent_name, tool_name, span.user_id, ttft_ms, finish_reasons, status_code, error_type,
           status_message, day,
           usage_role IN ('call', 'carrier') AND coalesce(verdict = 'completed', true) AS counts,
           coalesce(span.input_tokens, added.input_tokens::int8) AS input_tokens,
           coalesce(
               llm_fresh_input_tokens(span.input_tokens, span.cache_read_tokens, span.cache_write_tokens), added.fresh_input_tokens
           ) AS fresh_input_tokens,
           coalesce(span.output_tokens, added.output_tokens::int8) AS output_tokens,
           coalesce(span.cache_read_tokens, added.cache_read_tokens::int8) AS cache_read_tokens,
           coalesce(span.cache_write_tokens, added.cache_write_tokens::int8) AS cache_write_tokens,
           coalesce(span.reported_cost_usd, added.reported_cost_usd) AS reported_cost_usd,
           coalesce(added.provider, span.provider) AS provider, coalesce(added.response_model, span.response_model) AS response_model,
           coalesce(added.request_model, span.request_model) AS request_model, span.service_tier,
           greatest(span.input_band, added.input_band) AS input_band
    FROM span
    LEFT JOIN (
        SELECT * FROM usage_corrections WHERE tenant = %(tenant)s AND timestamp >= {start} AND timestamp < {end}
    ) AS added USING (trace_id, span_id)
),
{rates}
SELECT trace_id, span_id, parent_span_id, timestamp, timestamp_nanos, duration_ns, service_name, span_name, operation, provider,
       model, agent_name, tool_name, user_id, counts, input_tokens, output_tokens,
       coalesce(
           llm_cost_usd(
               input_tokens, fresh_input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,
               input_usd, cache_read_usd, cache_write_usd, output_usd
           )::float8,
           reported_cost_usd
       ) AS cost_usd,
       ttft_ms, finish_reasons, status_code = 2 AS is_error, error_type, status_message
FROM priced
ORDER BY timestamp, timestamp_nanos, trace_id, span_id
