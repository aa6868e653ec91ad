SELECT trace_id, span_id, parent_span_id, extract(epoch FROM timestamp)::numeric * 1000000000 + timestamp_nanos AS start,
       duration_ns, usage_role, ARRAY[lower(request_model), lower(response_model)] AS models, response_id,
       ARRAY[input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens] AS tokens,
       num_nonnulls(response_model, reported_cost_usd, ttft_ms, finish_reasons, service_tier, conversation_id, user_id, agent_name)
           AS detail
FROM llm_traces
WHERE tenant = %(tenant)s AND trace_id = ANY(%(traces)s) AND timestamp >= %(first)s AND timestamp < %(last)s
