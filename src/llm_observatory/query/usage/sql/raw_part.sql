SELECT {step} AS step, (timestamp AT TIME ZONE 'UTC')::date AS day, {groups}
       coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
       coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier,
       ({input_band})::int8 AS input_band,
       {state}
FROM (
    SELECT DISTINCT ON (trace_id, span_id)
           trace_id, timestamp, timestamp_nanos, service_name, environment, provider, operation, request_model, response_model,
           service_tier, agent_name, user_id, conversation_id, usage_role, status_code, duration_ns, duration_ms, ttft_ms,
           input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, reported_cost_usd
    FROM llm_traces
    WHERE tenant = %(tenant)s AND timestamp >= {start} AND timestamp < {end} AND usage_role IN ('call', 'carrier') {conditions}
    ORDER BY trace_id, span_id, timestamp, timestamp_nanos, duration_ns DESC NULLS LAST, output_tokens DESC NULLS LAST,
             input_tokens DESC NULLS LAST, reported_cost_usd DESC NULLS LAST
) AS call
GROUP BY {keys}
