-- By the price table, or else as the client reported; of spans whose usage is another's, and where nobody knows, there is no row.
WITH part AS MATERIALIZED (
    SELECT timestamp, timestamp_nanos, trace_id, span_id, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
        reported_cost_usd, (timestamp AT TIME ZONE 'UTC')::date AS day, coalesce(provider, '') AS provider,
        coalesce(response_model, '') AS response_model, coalesce(request_model, '') AS request_model,
        coalesce(service_tier, '') AS service_tier, ({input_band})::int8 AS input_band
    FROM ({spans}) span
    WHERE usage_role IN ('call', 'carrier')
),
{rates}
SELECT timestamp, timestamp_nanos, trace_id, span_id, value
FROM (
    SELECT *, coalesce(
        llm_cost_usd(
            input_tokens, llm_fresh_input_tokens(input_tokens, cache_read_tokens, cache_write_tokens), cache_read_tokens,
            cache_write_tokens, output_tokens, input_usd, cache_read_usd, cache_write_usd, output_usd
        )::float8,
        reported_cost_usd
    ) AS value
    FROM priced
) costed
-- NaN sorts above infinity.
WHERE value > '-Infinity' AND value < 'Infinity'
