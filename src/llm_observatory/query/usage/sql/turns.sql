WITH part AS MATERIALIZED (
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
    ORDER BY trace_id, span_id, timestamp
    LIMIT %(limit)s
),
{rates}
SELECT trace_id, span_id, parent_span_id, timestamp, timestamp_nanos, duration_ns, service_name, span_name, operation, provider,
       model, agent_name, tool_name, user_id, usage_role IN ('call', 'carrier') AS counts, input_tokens, output_tokens,
       coalesce(
           llm_cost_usd(
               input_tokens, llm_fresh_input_tokens(input_tokens, cache_read_tokens, cache_write_tokens), cache_read_tokens,
               cache_write_tokens, output_tokens, input_usd, cache_read_usd, cache_write_usd, output_usd
           )::float8,
           reported_cost_usd
       ) AS cost_usd,
       ttft_ms, finish_reasons, status_code = 2 AS is_error, error_type, status_message
FROM priced
ORDER BY timestamp, timestamp_nanos, trace_id, span_id
