sum(call_count)::int8 AS call_count,
sum(error_count)::int8 AS error_count,
sum(unreported_count)::int8 AS unreported_count,
sum(input_tokens) AS input_tokens,
sum(output_tokens) AS output_tokens,
sum(cache_read_tokens) AS cache_read_tokens,
sum(cache_write_tokens) AS cache_write_tokens,
sum(reasoning_tokens) AS reasoning_tokens,
sum(llm_cost_usd(
    input_tokens, fresh_input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,
    input_usd, cache_read_usd, cache_write_usd, output_usd
)) AS cost_usd,
coalesce(sum(call_count - unreported_count) FILTER (WHERE input_usd IS NULL), 0)::int8 AS unpriced_count,
sum(reported_cost_usd) AS reported_cost_usd,
sum(timed_count)::int8 AS timed_count,
sum(duration_ns_sum) AS duration_ns_sum,
string_agg(duration_buckets::text, ' ') AS duration_buckets,
string_agg(ttft_buckets::text, ' ') AS ttft_buckets
