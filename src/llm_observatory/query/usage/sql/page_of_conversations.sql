WITH call AS MATERIALIZED (
    SELECT DISTINCT ON (trace_id, span_id)
           conversation_id, {time} AS started, (timestamp AT TIME ZONE 'UTC')::date AS day, input_tokens,
           llm_fresh_input_tokens(input_tokens, cache_read_tokens, cache_write_tokens) AS fresh_input_tokens,
           cache_read_tokens, cache_write_tokens, output_tokens,
           coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
           coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier,
           ({input_band})::int8 AS input_band
    FROM llm_traces
    WHERE tenant = %(tenant)s AND timestamp >= {start} AND timestamp < {end} AND usage_role IN ('call', 'carrier')
      AND conversation_id <> '' {conditions}
    ORDER BY trace_id, span_id, timestamp, timestamp_nanos, duration_ns DESC NULLS LAST, output_tokens DESC NULLS LAST,
             input_tokens DESC NULLS LAST, reported_cost_usd DESC NULLS LAST
),
part AS MATERIALIZED (
    SELECT * FROM call
    UNION ALL
    SELECT conversation_id, {time} AS started, (timestamp AT TIME ZONE 'UTC')::date AS day, input_tokens, fresh_input_tokens,
           cache_read_tokens, cache_write_tokens, output_tokens,
           coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
           coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier, input_band
    FROM usage_corrections
    WHERE tenant = %(tenant)s AND timestamp >= {start} AND timestamp < {end} AND conversation_id <> '' {conditions}
),
{rates},
conversation AS (
    SELECT conversation_id, max(started) AS last_time, sum(llm_cost_usd(
        input_tokens, fresh_input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,
        input_usd, cache_read_usd, cache_write_usd, output_usd
    )) AS cost_usd
    FROM priced
    GROUP BY conversation_id
)
SELECT conversation_id FROM conversation
WHERE {beyond}
ORDER BY {order} DESC, conversation_id DESC
LIMIT %(limit)s
