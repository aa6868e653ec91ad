-- by model and hour
SELECT EXISTS (
    SELECT FROM usage_corrections WHERE tenant = %(tenant)s AND timestamp >= %(start)s AND timestamp < %(end)s
) OR EXISTS (
    SELECT FROM usage_corrections_daily_state
    WHERE tenant = %(tenant)s AND bucket >= date_trunc('day', %(start)s::timestamptz, 'UTC') AND bucket < %(end)s
)

-- by model and hour
WITH part AS MATERIALIZED (SELECT div(extract(epoch FROM timestamp)::numeric * 1000000000 + timestamp_nanos, %(v4)s::numeric)::int8 AS step, (timestamp AT TIME ZONE 'UTC')::date AS day, coalesce(nullif(response_model, ''), request_model, '') AS "group_0", 
       coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
       coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier,
       (CASE WHEN input_tokens > 524288 THEN 524288 WHEN input_tokens > 512000 THEN 512000 WHEN input_tokens > 272000 THEN 272000 WHEN input_tokens > 256000 THEN 256000 WHEN input_tokens > 200000 THEN 200000 WHEN input_tokens > 199999 THEN 199999 WHEN input_tokens > 128000 THEN 128000 WHEN input_tokens > 100000 THEN 100000 WHEN input_tokens > 32000 THEN 32000 ELSE 0 END)::int8 AS input_band,
       count(*) FILTER (WHERE usage_role = 'call') AS "call_count", count(*) FILTER (WHERE usage_role = 'call' AND status_code = 2) AS "error_count", count(*) FILTER (WHERE usage_role = 'call' AND input_tokens IS NULL AND output_tokens IS NULL) AS "unreported_count", sum(input_tokens) AS "input_tokens", sum(CASE WHEN input_tokens IS NOT NULL THEN greatest(input_tokens::numeric - coalesce(cache_read_tokens, 0) - coalesce(cache_write_tokens, 0), 0) END) AS "fresh_input_tokens", sum(output_tokens) AS "output_tokens", sum(cache_read_tokens) AS "cache_read_tokens", sum(cache_write_tokens) AS "cache_write_tokens", sum(reasoning_tokens) AS "reasoning_tokens", sum(reported_cost_usd) FILTER (WHERE true AND abs(reported_cost_usd) < 1e290) AS "reported_cost_usd", count(*) FILTER (WHERE usage_role = 'call' AND duration_ms IS NOT NULL) AS "timed_count", sum(duration_ns) FILTER (WHERE usage_role = 'call' AND duration_ms IS NOT NULL) AS "duration_ns_sum", log_histogram(log_bucket(duration_ms)) FILTER (WHERE usage_role = 'call') AS "duration_buckets", count(*) FILTER (WHERE usage_role = 'call' AND ttft_ms IS NOT NULL) AS "ttft_count", sum(ttft_ms) FILTER (WHERE usage_role = 'call' AND abs(ttft_ms) < 1e290) AS "ttft_ms_sum", log_histogram(log_bucket(ttft_ms)) FILTER (WHERE usage_role = 'call') AS "ttft_buckets"
FROM (
    SELECT DISTINCT ON (trace_id, span_id)
           trace_id, timestamp, timestamp_nanos, service_name, environment, provider, operation, request_model, response_model,
           service_tier, agent_name, user_id, conversation_id, usage_role, status_code, duration_ns, duration_ms, ttft_ms,
           input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, reported_cost_usd
    FROM llm_traces
    WHERE tenant = %(tenant)s AND timestamp >= %(v2)s AND timestamp < %(v3)s AND usage_role IN ('call', 'carrier')  AND service_name = ANY(%(v0)s) AND coalesce(nullif(response_model, ''), request_model, '') = ANY(%(v1)s) AND (timestamp, timestamp_nanos) >= (%(v5)s, %(v6)s::int2)
    ORDER BY trace_id, span_id, timestamp, timestamp_nanos, duration_ns DESC NULLS LAST, output_tokens DESC NULLS LAST,
             input_tokens DESC NULLS LAST, reported_cost_usd DESC NULLS LAST
) AS call
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
 UNION ALL SELECT div(extract(epoch FROM timestamp)::numeric * 1000000000 + timestamp_nanos, %(v4)s::numeric)::int8 AS step, (timestamp AT TIME ZONE 'UTC')::date AS day, coalesce(nullif(response_model, ''), request_model, '') AS "group_0", 
       coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
       coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier, input_band::int8 AS input_band,
       sum(call_count)::int8 AS "call_count", sum(error_count)::int8 AS "error_count", sum(unreported_count)::int8 AS "unreported_count", sum(input_tokens)::numeric AS "input_tokens", sum(fresh_input_tokens)::numeric AS "fresh_input_tokens", sum(output_tokens)::numeric AS "output_tokens", sum(cache_read_tokens)::numeric AS "cache_read_tokens", sum(cache_write_tokens)::numeric AS "cache_write_tokens", sum(reasoning_tokens)::numeric AS "reasoning_tokens", sum(reported_cost_usd)::float8 AS "reported_cost_usd", sum(timed_count)::int8 AS "timed_count", sum(duration_ns_sum)::numeric AS "duration_ns_sum", log_histogram_merge(duration_buckets)::int8[] AS "duration_buckets", sum(ttft_count)::int8 AS "ttft_count", sum(ttft_ms_sum)::float8 AS "ttft_ms_sum", log_histogram_merge(ttft_buckets)::int8[] AS "ttft_buckets"
FROM usage_corrections
WHERE tenant = %(tenant)s AND timestamp >= %(v2)s AND timestamp < %(v3)s  AND service_name = ANY(%(v0)s) AND coalesce(nullif(response_model, ''), request_model, '') = ANY(%(v1)s) AND (timestamp, timestamp_nanos) >= (%(v5)s, %(v6)s::int2)
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
 UNION ALL SELECT div(extract(epoch FROM bucket)::numeric * 1000000000, %(v9)s::numeric)::int8 AS step, (bucket AT TIME ZONE 'UTC')::date AS day, coalesce(nullif(response_model, ''), request_model, '') AS "group_0", 
       coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
       coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier, input_band::int8 AS input_band,
       "call_count", "error_count", "unreported_count", "input_tokens", "fresh_input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "reported_cost_usd", "timed_count", "duration_ns_sum", "duration_buckets", "ttft_count", "ttft_ms_sum", "ttft_buckets"
FROM "llm_usage_hourly"
WHERE tenant = %(tenant)s AND bucket >= %(v7)s AND bucket < %(v8)s  AND service_name = ANY(%(v0)s) AND coalesce(nullif(response_model, ''), request_model, '') = ANY(%(v1)s)
 UNION ALL SELECT div(extract(epoch FROM bucket)::numeric * 1000000000, %(v9)s::numeric)::int8 AS step, (bucket AT TIME ZONE 'UTC')::date AS day, coalesce(nullif(response_model, ''), request_model, '') AS "group_0", 
       coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
       coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier, input_band::int8 AS input_band,
       "call_count", "error_count", "unreported_count", "input_tokens", "fresh_input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "reported_cost_usd", "timed_count", "duration_ns_sum", "duration_buckets", "ttft_count", "ttft_ms_sum", "ttft_buckets"
FROM "usage_corrections_hourly"
WHERE tenant = %(tenant)s AND bucket >= %(v7)s AND bucket < %(v8)s  AND service_name = ANY(%(v0)s) AND coalesce(nullif(response_model, ''), request_model, '') = ANY(%(v1)s)
 UNION ALL SELECT div(extract(epoch FROM bucket)::numeric * 1000000000, %(v12)s::numeric)::int8 AS step, (bucket AT TIME ZONE 'UTC')::date AS day, coalesce(nullif(response_model, ''), request_model, '') AS "group_0", 
       coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
       coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier, input_band::int8 AS input_band,
       "call_count", "error_count", "unreported_count", "input_tokens", "fresh_input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "reported_cost_usd", "timed_count", "duration_ns_sum", "duration_buckets", "ttft_count", "ttft_ms_sum", "ttft_buckets"
FROM "llm_usage_hourly"
WHERE tenant = %(tenant)s AND bucket >= %(v10)s AND bucket < %(v11)s  AND service_name = ANY(%(v0)s) AND coalesce(nullif(response_model, ''), request_model, '') = ANY(%(v1)s)
 UNION ALL SELECT div(extract(epoch FROM bucket)::numeric * 1000000000, %(v12)s::numeric)::int8 AS step, (bucket AT TIME ZONE 'UTC')::date AS day, coalesce(nullif(response_model, ''), request_model, '') AS "group_0", 
       coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
       coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier, input_band::int8 AS input_band,
       "call_count", "error_count", "unreported_count", "input_tokens", "fresh_input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "reported_cost_usd", "timed_count", "duration_ns_sum", "duration_buckets", "ttft_count", "ttft_ms_sum", "ttft_buckets"
FROM "usage_corrections_hourly"
WHERE tenant = %(tenant)s AND bucket >= %(v10)s AND bucket < %(v11)s  AND service_name = ANY(%(v0)s) AND coalesce(nullif(response_model, ''), request_model, '') = ANY(%(v1)s)
),
rate AS MATERIALIZED (
    SELECT model.*, price.*
    FROM (SELECT DISTINCT provider, response_model, request_model, service_tier, input_band FROM part) AS model
    CROSS JOIN LATERAL llm_rates(
        %(tenant)s, model.provider, model.response_model, model.request_model, model.service_tier, model.input_band
    ) AS price
),
priced AS (
    SELECT part.*, rate.input_usd, rate.cache_read_usd, rate.cache_write_usd, rate.output_usd
    FROM part
    LEFT JOIN rate
      ON (rate.provider, rate.response_model, rate.request_model, rate.service_tier, rate.input_band)
       = (part.provider, part.response_model, part.request_model, part.service_tier, part.input_band)
     AND part.day >= rate.valid_from AND part.day < rate.valid_to
)

SELECT step, "group_0", 
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

FROM priced
GROUP BY step , "group_0"
ORDER BY step, cost_usd DESC NULLS LAST, call_count DESC , "group_0"
LIMIT %(limit)s

-- by model and day, nothing to correct
SELECT EXISTS (
    SELECT FROM usage_corrections WHERE tenant = %(tenant)s AND timestamp >= %(start)s AND timestamp < %(end)s
) OR EXISTS (
    SELECT FROM usage_corrections_daily_state
    WHERE tenant = %(tenant)s AND bucket >= date_trunc('day', %(start)s::timestamptz, 'UTC') AND bucket < %(end)s
)

-- by model and day, nothing to correct
WITH part AS MATERIALIZED (SELECT div(extract(epoch FROM timestamp)::numeric * 1000000000 + timestamp_nanos, %(v4)s::numeric)::int8 AS step, (timestamp AT TIME ZONE 'UTC')::date AS day, coalesce(nullif(response_model, ''), request_model, '') AS "group_0", 
       coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
       coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier,
       (CASE WHEN input_tokens > 524288 THEN 524288 WHEN input_tokens > 512000 THEN 512000 WHEN input_tokens > 272000 THEN 272000 WHEN input_tokens > 256000 THEN 256000 WHEN input_tokens > 200000 THEN 200000 WHEN input_tokens > 199999 THEN 199999 WHEN input_tokens > 128000 THEN 128000 WHEN input_tokens > 100000 THEN 100000 WHEN input_tokens > 32000 THEN 32000 ELSE 0 END)::int8 AS input_band,
       count(*) FILTER (WHERE usage_role = 'call') AS "call_count", count(*) FILTER (WHERE usage_role = 'call' AND status_code = 2) AS "error_count", count(*) FILTER (WHERE usage_role = 'call' AND input_tokens IS NULL AND output_tokens IS NULL) AS "unreported_count", sum(input_tokens) AS "input_tokens", sum(CASE WHEN input_tokens IS NOT NULL THEN greatest(input_tokens::numeric - coalesce(cache_read_tokens, 0) - coalesce(cache_write_tokens, 0), 0) END) AS "fresh_input_tokens", sum(output_tokens) AS "output_tokens", sum(cache_read_tokens) AS "cache_read_tokens", sum(cache_write_tokens) AS "cache_write_tokens", sum(reasoning_tokens) AS "reasoning_tokens", sum(reported_cost_usd) FILTER (WHERE true AND abs(reported_cost_usd) < 1e290) AS "reported_cost_usd", count(*) FILTER (WHERE usage_role = 'call' AND duration_ms IS NOT NULL) AS "timed_count", sum(duration_ns) FILTER (WHERE usage_role = 'call' AND duration_ms IS NOT NULL) AS "duration_ns_sum", log_histogram(log_bucket(duration_ms)) FILTER (WHERE usage_role = 'call') AS "duration_buckets", count(*) FILTER (WHERE usage_role = 'call' AND ttft_ms IS NOT NULL) AS "ttft_count", sum(ttft_ms) FILTER (WHERE usage_role = 'call' AND abs(ttft_ms) < 1e290) AS "ttft_ms_sum", log_histogram(log_bucket(ttft_ms)) FILTER (WHERE usage_role = 'call') AS "ttft_buckets"
FROM (
    SELECT DISTINCT ON (trace_id, span_id)
           trace_id, timestamp, timestamp_nanos, service_name, environment, provider, operation, request_model, response_model,
           service_tier, agent_name, user_id, conversation_id, usage_role, status_code, duration_ns, duration_ms, ttft_ms,
           input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, reported_cost_usd
    FROM llm_traces
    WHERE tenant = %(tenant)s AND timestamp >= %(v2)s AND timestamp < %(v3)s AND usage_role IN ('call', 'carrier')  AND service_name = ANY(%(v0)s) AND coalesce(nullif(response_model, ''), request_model, '') = ANY(%(v1)s) AND (timestamp, timestamp_nanos) >= (%(v5)s, %(v6)s::int2)
    ORDER BY trace_id, span_id, timestamp, timestamp_nanos, duration_ns DESC NULLS LAST, output_tokens DESC NULLS LAST,
             input_tokens DESC NULLS LAST, reported_cost_usd DESC NULLS LAST
) AS call
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
 UNION ALL SELECT div(extract(epoch FROM bucket)::numeric * 1000000000, %(v9)s::numeric)::int8 AS step, (bucket AT TIME ZONE 'UTC')::date AS day, coalesce(nullif(response_model, ''), request_model, '') AS "group_0", 
       coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
       coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier, input_band::int8 AS input_band,
       "call_count", "error_count", "unreported_count", "input_tokens", "fresh_input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "reported_cost_usd", "timed_count", "duration_ns_sum", "duration_buckets", "ttft_count", "ttft_ms_sum", "ttft_buckets"
FROM "llm_usage_hourly"
WHERE tenant = %(tenant)s AND bucket >= %(v7)s AND bucket < %(v8)s  AND service_name = ANY(%(v0)s) AND coalesce(nullif(response_model, ''), request_model, '') = ANY(%(v1)s)
 UNION ALL SELECT div(extract(epoch FROM bucket)::numeric * 1000000000, %(v12)s::numeric)::int8 AS step, (bucket AT TIME ZONE 'UTC')::date AS day, coalesce(nullif(response_model, ''), request_model, '') AS "group_0", 
       coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
       coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier, input_band::int8 AS input_band,
       "call_count", "error_count", "unreported_count", "input_tokens", "fresh_input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "reported_cost_usd", "timed_count", "duration_ns_sum", "duration_buckets", "ttft_count", "ttft_ms_sum", "ttft_buckets"
FROM "llm_usage_daily"
WHERE tenant = %(tenant)s AND bucket >= %(v10)s AND bucket < %(v11)s  AND service_name = ANY(%(v0)s) AND coalesce(nullif(response_model, ''), request_model, '') = ANY(%(v1)s)
 UNION ALL SELECT div(extract(epoch FROM bucket)::numeric * 1000000000, %(v15)s::numeric)::int8 AS step, (bucket AT TIME ZONE 'UTC')::date AS day, coalesce(nullif(response_model, ''), request_model, '') AS "group_0", 
       coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
       coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier, input_band::int8 AS input_band,
       "call_count", "error_count", "unreported_count", "input_tokens", "fresh_input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "reported_cost_usd", "timed_count", "duration_ns_sum", "duration_buckets", "ttft_count", "ttft_ms_sum", "ttft_buckets"
FROM "llm_usage_hourly"
WHERE tenant = %(tenant)s AND bucket >= %(v13)s AND bucket < %(v14)s  AND service_name = ANY(%(v0)s) AND coalesce(nullif(response_model, ''), request_model, '') = ANY(%(v1)s)
),
rate AS MATERIALIZED (
    SELECT model.*, price.*
    FROM (SELECT DISTINCT provider, response_model, request_model, service_tier, input_band FROM part) AS model
    CROSS JOIN LATERAL llm_rates(
        %(tenant)s, model.provider, model.response_model, model.request_model, model.service_tier, model.input_band
    ) AS price
),
priced AS (
    SELECT part.*, rate.input_usd, rate.cache_read_usd, rate.cache_write_usd, rate.output_usd
    FROM part
    LEFT JOIN rate
      ON (rate.provider, rate.response_model, rate.request_model, rate.service_tier, rate.input_band)
       = (part.provider, part.response_model, part.request_model, part.service_tier, part.input_band)
     AND part.day >= rate.valid_from AND part.day < rate.valid_to
)

SELECT step, "group_0", 
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

FROM priced
GROUP BY step , "group_0"
ORDER BY step, cost_usd DESC NULLS LAST, call_count DESC , "group_0"
LIMIT %(limit)s

-- by agent, from rows
SELECT EXISTS (
    SELECT FROM usage_corrections WHERE tenant = %(tenant)s AND timestamp >= %(start)s AND timestamp < %(end)s
) OR EXISTS (
    SELECT FROM usage_corrections_daily_state
    WHERE tenant = %(tenant)s AND bucket >= date_trunc('day', %(start)s::timestamptz, 'UTC') AND bucket < %(end)s
)

-- by agent, from rows
WITH part AS MATERIALIZED (SELECT 0::int8 AS step, (timestamp AT TIME ZONE 'UTC')::date AS day, coalesce(agent_name, '') AS "group_0", 
       coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
       coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier,
       (CASE WHEN input_tokens > 524288 THEN 524288 WHEN input_tokens > 512000 THEN 512000 WHEN input_tokens > 272000 THEN 272000 WHEN input_tokens > 256000 THEN 256000 WHEN input_tokens > 200000 THEN 200000 WHEN input_tokens > 199999 THEN 199999 WHEN input_tokens > 128000 THEN 128000 WHEN input_tokens > 100000 THEN 100000 WHEN input_tokens > 32000 THEN 32000 ELSE 0 END)::int8 AS input_band,
       count(*) FILTER (WHERE usage_role = 'call') AS "call_count", count(*) FILTER (WHERE usage_role = 'call' AND status_code = 2) AS "error_count", count(*) FILTER (WHERE usage_role = 'call' AND input_tokens IS NULL AND output_tokens IS NULL) AS "unreported_count", sum(input_tokens) AS "input_tokens", sum(CASE WHEN input_tokens IS NOT NULL THEN greatest(input_tokens::numeric - coalesce(cache_read_tokens, 0) - coalesce(cache_write_tokens, 0), 0) END) AS "fresh_input_tokens", sum(output_tokens) AS "output_tokens", sum(cache_read_tokens) AS "cache_read_tokens", sum(cache_write_tokens) AS "cache_write_tokens", sum(reasoning_tokens) AS "reasoning_tokens", sum(reported_cost_usd) FILTER (WHERE true AND abs(reported_cost_usd) < 1e290) AS "reported_cost_usd", count(*) FILTER (WHERE usage_role = 'call' AND duration_ms IS NOT NULL) AS "timed_count", sum(duration_ns) FILTER (WHERE usage_role = 'call' AND duration_ms IS NOT NULL) AS "duration_ns_sum", log_histogram(log_bucket(duration_ms)) FILTER (WHERE usage_role = 'call') AS "duration_buckets", count(*) FILTER (WHERE usage_role = 'call' AND ttft_ms IS NOT NULL) AS "ttft_count", sum(ttft_ms) FILTER (WHERE usage_role = 'call' AND abs(ttft_ms) < 1e290) AS "ttft_ms_sum", log_histogram(log_bucket(ttft_ms)) FILTER (WHERE usage_role = 'call') AS "ttft_buckets"
FROM (
    SELECT DISTINCT ON (trace_id, span_id)
           trace_id, timestamp, timestamp_nanos, service_name, environment, provider, operation, request_model, response_model,
           service_tier, agent_name, user_id, conversation_id, usage_role, status_code, duration_ns, duration_ms, ttft_ms,
           input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, reported_cost_usd
    FROM llm_traces
    WHERE tenant = %(tenant)s AND timestamp >= %(v2)s AND timestamp < %(v3)s AND usage_role IN ('call', 'carrier')  AND service_name = ANY(%(v0)s) AND coalesce(nullif(response_model, ''), request_model, '') = ANY(%(v1)s) AND (timestamp, timestamp_nanos) >= (%(v4)s, %(v5)s::int2)
    ORDER BY trace_id, span_id, timestamp, timestamp_nanos, duration_ns DESC NULLS LAST, output_tokens DESC NULLS LAST,
             input_tokens DESC NULLS LAST, reported_cost_usd DESC NULLS LAST
) AS call
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
 UNION ALL SELECT 0::int8 AS step, (timestamp AT TIME ZONE 'UTC')::date AS day, coalesce(agent_name, '') AS "group_0", 
       coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
       coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier, input_band::int8 AS input_band,
       sum(call_count)::int8 AS "call_count", sum(error_count)::int8 AS "error_count", sum(unreported_count)::int8 AS "unreported_count", sum(input_tokens)::numeric AS "input_tokens", sum(fresh_input_tokens)::numeric AS "fresh_input_tokens", sum(output_tokens)::numeric AS "output_tokens", sum(cache_read_tokens)::numeric AS "cache_read_tokens", sum(cache_write_tokens)::numeric AS "cache_write_tokens", sum(reasoning_tokens)::numeric AS "reasoning_tokens", sum(reported_cost_usd)::float8 AS "reported_cost_usd", sum(timed_count)::int8 AS "timed_count", sum(duration_ns_sum)::numeric AS "duration_ns_sum", log_histogram_merge(duration_buckets)::int8[] AS "duration_buckets", sum(ttft_count)::int8 AS "ttft_count", sum(ttft_ms_sum)::float8 AS "ttft_ms_sum", log_histogram_merge(ttft_buckets)::int8[] AS "ttft_buckets"
FROM usage_corrections
WHERE tenant = %(tenant)s AND timestamp >= %(v2)s AND timestamp < %(v3)s  AND service_name = ANY(%(v0)s) AND coalesce(nullif(response_model, ''), request_model, '') = ANY(%(v1)s) AND (timestamp, timestamp_nanos) >= (%(v4)s, %(v5)s::int2)
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8
),
rate AS MATERIALIZED (
    SELECT model.*, price.*
    FROM (SELECT DISTINCT provider, response_model, request_model, service_tier, input_band FROM part) AS model
    CROSS JOIN LATERAL llm_rates(
        %(tenant)s, model.provider, model.response_model, model.request_model, model.service_tier, model.input_band
    ) AS price
),
priced AS (
    SELECT part.*, rate.input_usd, rate.cache_read_usd, rate.cache_write_usd, rate.output_usd
    FROM part
    LEFT JOIN rate
      ON (rate.provider, rate.response_model, rate.request_model, rate.service_tier, rate.input_band)
       = (part.provider, part.response_model, part.request_model, part.service_tier, part.input_band)
     AND part.day >= rate.valid_from AND part.day < rate.valid_to
)

SELECT step, "group_0", 
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

FROM priced
GROUP BY step , "group_0"
ORDER BY step, cost_usd DESC NULLS LAST, call_count DESC , "group_0"
LIMIT %(limit)s

-- conversations
WITH call AS MATERIALIZED (
    SELECT DISTINCT ON (trace_id, span_id)
           conversation_id, extract(epoch FROM timestamp)::numeric * 1000000000 + timestamp_nanos AS started, (timestamp AT TIME ZONE 'UTC')::date AS day, input_tokens,
           llm_fresh_input_tokens(input_tokens, cache_read_tokens, cache_write_tokens) AS fresh_input_tokens,
           cache_read_tokens, cache_write_tokens, output_tokens,
           coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
           coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier,
           (CASE WHEN input_tokens > 524288 THEN 524288 WHEN input_tokens > 512000 THEN 512000 WHEN input_tokens > 272000 THEN 272000 WHEN input_tokens > 256000 THEN 256000 WHEN input_tokens > 200000 THEN 200000 WHEN input_tokens > 199999 THEN 199999 WHEN input_tokens > 128000 THEN 128000 WHEN input_tokens > 100000 THEN 100000 WHEN input_tokens > 32000 THEN 32000 ELSE 0 END)::int8 AS input_band
    FROM llm_traces
    WHERE tenant = %(tenant)s AND timestamp >= %(v0)s AND timestamp < %(v1)s AND usage_role IN ('call', 'carrier')
      AND conversation_id <> ''  AND (timestamp, timestamp_nanos) >= (%(v2)s, %(v3)s::int2)
    ORDER BY trace_id, span_id, timestamp, timestamp_nanos, duration_ns DESC NULLS LAST, output_tokens DESC NULLS LAST,
             input_tokens DESC NULLS LAST, reported_cost_usd DESC NULLS LAST
),
part AS MATERIALIZED (
    SELECT * FROM call
    UNION ALL
    SELECT conversation_id, extract(epoch FROM timestamp)::numeric * 1000000000 + timestamp_nanos AS started, (timestamp AT TIME ZONE 'UTC')::date AS day, input_tokens, fresh_input_tokens,
           cache_read_tokens, cache_write_tokens, output_tokens,
           coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
           coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier, input_band
    FROM usage_corrections
    WHERE tenant = %(tenant)s AND timestamp >= %(v0)s AND timestamp < %(v1)s AND conversation_id <> ''  AND (timestamp, timestamp_nanos) >= (%(v2)s, %(v3)s::int2)
),
rate AS MATERIALIZED (
    SELECT model.*, price.*
    FROM (SELECT DISTINCT provider, response_model, request_model, service_tier, input_band FROM part) AS model
    CROSS JOIN LATERAL llm_rates(
        %(tenant)s, model.provider, model.response_model, model.request_model, model.service_tier, model.input_band
    ) AS price
),
priced AS (
    SELECT part.*, rate.input_usd, rate.cache_read_usd, rate.cache_write_usd, rate.output_usd
    FROM part
    LEFT JOIN rate
      ON (rate.provider, rate.response_model, rate.request_model, rate.service_tier, rate.input_band)
       = (part.provider, part.response_model, part.request_model, part.service_tier, part.input_band)
     AND part.day >= rate.valid_from AND part.day < rate.valid_to
)
,
conversation AS (
    SELECT conversation_id, max(started) AS last_time, sum(llm_cost_usd(
        input_tokens, fresh_input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,
        input_usd, cache_read_usd, cache_write_usd, output_usd
    )) AS cost_usd
    FROM priced
    GROUP BY conversation_id
)
SELECT conversation_id FROM conversation
WHERE true
ORDER BY last_time DESC, conversation_id DESC
LIMIT %(limit)s

-- conversations
WITH part AS MATERIALIZED (SELECT 0::int8 AS step, (timestamp AT TIME ZONE 'UTC')::date AS day, conversation_id, trace_id, service_name, coalesce(nullif(response_model, ''), request_model, '') AS model, user_id, agent_name,

       coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
       coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier,
       (CASE WHEN input_tokens > 524288 THEN 524288 WHEN input_tokens > 512000 THEN 512000 WHEN input_tokens > 272000 THEN 272000 WHEN input_tokens > 256000 THEN 256000 WHEN input_tokens > 200000 THEN 200000 WHEN input_tokens > 199999 THEN 199999 WHEN input_tokens > 128000 THEN 128000 WHEN input_tokens > 100000 THEN 100000 WHEN input_tokens > 32000 THEN 32000 ELSE 0 END)::int8 AS input_band,
       min(extract(epoch FROM timestamp)::numeric * 1000000000 + timestamp_nanos) AS first_time, max(extract(epoch FROM timestamp)::numeric * 1000000000 + timestamp_nanos) AS last_time, count(*) FILTER (WHERE usage_role = 'call') AS "call_count", count(*) FILTER (WHERE usage_role = 'call' AND status_code = 2) AS "error_count", count(*) FILTER (WHERE usage_role = 'call' AND input_tokens IS NULL AND output_tokens IS NULL) AS "unreported_count", sum(input_tokens) AS "input_tokens", sum(CASE WHEN input_tokens IS NOT NULL THEN greatest(input_tokens::numeric - coalesce(cache_read_tokens, 0) - coalesce(cache_write_tokens, 0), 0) END) AS "fresh_input_tokens", sum(output_tokens) AS "output_tokens", sum(cache_read_tokens) AS "cache_read_tokens", sum(cache_write_tokens) AS "cache_write_tokens", sum(reasoning_tokens) AS "reasoning_tokens", sum(reported_cost_usd) FILTER (WHERE true AND abs(reported_cost_usd) < 1e290) AS "reported_cost_usd", count(*) FILTER (WHERE usage_role = 'call' AND duration_ms IS NOT NULL) AS "timed_count", sum(duration_ns) FILTER (WHERE usage_role = 'call' AND duration_ms IS NOT NULL) AS "duration_ns_sum", log_histogram(log_bucket(duration_ms)) FILTER (WHERE usage_role = 'call') AS "duration_buckets", count(*) FILTER (WHERE usage_role = 'call' AND ttft_ms IS NOT NULL) AS "ttft_count", sum(ttft_ms) FILTER (WHERE usage_role = 'call' AND abs(ttft_ms) < 1e290) AS "ttft_ms_sum", log_histogram(log_bucket(ttft_ms)) FILTER (WHERE usage_role = 'call') AS "ttft_buckets"
FROM (
    SELECT DISTINCT ON (trace_id, span_id)
           trace_id, timestamp, timestamp_nanos, service_name, environment, provider, operation, request_model, response_model,
           service_tier, agent_name, user_id, conversation_id, usage_role, status_code, duration_ns, duration_ms, ttft_ms,
           input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, reported_cost_usd
    FROM llm_traces
    WHERE tenant = %(tenant)s AND timestamp >= %(v1)s AND timestamp < %(v2)s AND usage_role IN ('call', 'carrier')  AND conversation_id = ANY(%(v0)s::text[]) AND (timestamp, timestamp_nanos) >= (%(v3)s, %(v4)s::int2)
    ORDER BY trace_id, span_id, timestamp, timestamp_nanos, duration_ns DESC NULLS LAST, output_tokens DESC NULLS LAST,
             input_tokens DESC NULLS LAST, reported_cost_usd DESC NULLS LAST
) AS call
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
 UNION ALL SELECT 0::int8 AS step, (timestamp AT TIME ZONE 'UTC')::date AS day, conversation_id, trace_id, service_name, coalesce(nullif(response_model, ''), request_model, '') AS model, user_id, agent_name,

       coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
       coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier, input_band::int8 AS input_band,
       min(extract(epoch FROM timestamp)::numeric * 1000000000 + timestamp_nanos) AS first_time, max(extract(epoch FROM timestamp)::numeric * 1000000000 + timestamp_nanos) AS last_time, sum(call_count)::int8 AS "call_count", sum(error_count)::int8 AS "error_count", sum(unreported_count)::int8 AS "unreported_count", sum(input_tokens)::numeric AS "input_tokens", sum(fresh_input_tokens)::numeric AS "fresh_input_tokens", sum(output_tokens)::numeric AS "output_tokens", sum(cache_read_tokens)::numeric AS "cache_read_tokens", sum(cache_write_tokens)::numeric AS "cache_write_tokens", sum(reasoning_tokens)::numeric AS "reasoning_tokens", sum(reported_cost_usd)::float8 AS "reported_cost_usd", sum(timed_count)::int8 AS "timed_count", sum(duration_ns_sum)::numeric AS "duration_ns_sum", log_histogram_merge(duration_buckets)::int8[] AS "duration_buckets", sum(ttft_count)::int8 AS "ttft_count", sum(ttft_ms_sum)::float8 AS "ttft_ms_sum", log_histogram_merge(ttft_buckets)::int8[] AS "ttft_buckets"
FROM usage_corrections
WHERE tenant = %(tenant)s AND timestamp >= %(v1)s AND timestamp < %(v2)s  AND conversation_id = ANY(%(v0)s::text[]) AND (timestamp, timestamp_nanos) >= (%(v3)s, %(v4)s::int2)
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
),
rate AS MATERIALIZED (
    SELECT model.*, price.*
    FROM (SELECT DISTINCT provider, response_model, request_model, service_tier, input_band FROM part) AS model
    CROSS JOIN LATERAL llm_rates(
        %(tenant)s, model.provider, model.response_model, model.request_model, model.service_tier, model.input_band
    ) AS price
),
priced AS (
    SELECT part.*, rate.input_usd, rate.cache_read_usd, rate.cache_write_usd, rate.output_usd
    FROM part
    LEFT JOIN rate
      ON (rate.provider, rate.response_model, rate.request_model, rate.service_tier, rate.input_band)
       = (part.provider, part.response_model, part.request_model, part.service_tier, part.input_band)
     AND part.day >= rate.valid_from AND part.day < rate.valid_to
)

SELECT conversation_id, min(first_time) AS first_time, max(last_time) AS last_time, count(DISTINCT trace_id) AS trace_count,
       array_agg(DISTINCT service_name) AS service_names,
       array_agg(DISTINCT model) FILTER (WHERE model <> '') AS models,
       array_agg(DISTINCT user_id) FILTER (WHERE user_id IS NOT NULL) AS user_ids,
       array_agg(DISTINCT agent_name) FILTER (WHERE agent_name IS NOT NULL) AS agent_names,
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

FROM priced
GROUP BY conversation_id
ORDER BY array_position(%(v0)s::text[], conversation_id)

-- conversations by cost, a page
WITH call AS MATERIALIZED (
    SELECT DISTINCT ON (trace_id, span_id)
           conversation_id, extract(epoch FROM timestamp)::numeric * 1000000000 + timestamp_nanos AS started, (timestamp AT TIME ZONE 'UTC')::date AS day, input_tokens,
           llm_fresh_input_tokens(input_tokens, cache_read_tokens, cache_write_tokens) AS fresh_input_tokens,
           cache_read_tokens, cache_write_tokens, output_tokens,
           coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
           coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier,
           (CASE WHEN input_tokens > 524288 THEN 524288 WHEN input_tokens > 512000 THEN 512000 WHEN input_tokens > 272000 THEN 272000 WHEN input_tokens > 256000 THEN 256000 WHEN input_tokens > 200000 THEN 200000 WHEN input_tokens > 199999 THEN 199999 WHEN input_tokens > 128000 THEN 128000 WHEN input_tokens > 100000 THEN 100000 WHEN input_tokens > 32000 THEN 32000 ELSE 0 END)::int8 AS input_band
    FROM llm_traces
    WHERE tenant = %(tenant)s AND timestamp >= %(v2)s AND timestamp < %(v3)s AND usage_role IN ('call', 'carrier')
      AND conversation_id <> ''  AND (timestamp, timestamp_nanos) >= (%(v4)s, %(v5)s::int2)
    ORDER BY trace_id, span_id, timestamp, timestamp_nanos, duration_ns DESC NULLS LAST, output_tokens DESC NULLS LAST,
             input_tokens DESC NULLS LAST, reported_cost_usd DESC NULLS LAST
),
part AS MATERIALIZED (
    SELECT * FROM call
    UNION ALL
    SELECT conversation_id, extract(epoch FROM timestamp)::numeric * 1000000000 + timestamp_nanos AS started, (timestamp AT TIME ZONE 'UTC')::date AS day, input_tokens, fresh_input_tokens,
           cache_read_tokens, cache_write_tokens, output_tokens,
           coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
           coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier, input_band
    FROM usage_corrections
    WHERE tenant = %(tenant)s AND timestamp >= %(v2)s AND timestamp < %(v3)s AND conversation_id <> ''  AND (timestamp, timestamp_nanos) >= (%(v4)s, %(v5)s::int2)
),
rate AS MATERIALIZED (
    SELECT model.*, price.*
    FROM (SELECT DISTINCT provider, response_model, request_model, service_tier, input_band FROM part) AS model
    CROSS JOIN LATERAL llm_rates(
        %(tenant)s, model.provider, model.response_model, model.request_model, model.service_tier, model.input_band
    ) AS price
),
priced AS (
    SELECT part.*, rate.input_usd, rate.cache_read_usd, rate.cache_write_usd, rate.output_usd
    FROM part
    LEFT JOIN rate
      ON (rate.provider, rate.response_model, rate.request_model, rate.service_tier, rate.input_band)
       = (part.provider, part.response_model, part.request_model, part.service_tier, part.input_band)
     AND part.day >= rate.valid_from AND part.day < rate.valid_to
)
,
conversation AS (
    SELECT conversation_id, max(started) AS last_time, sum(llm_cost_usd(
        input_tokens, fresh_input_tokens, cache_read_tokens, cache_write_tokens, output_tokens,
        input_usd, cache_read_usd, cache_write_usd, output_usd
    )) AS cost_usd
    FROM priced
    GROUP BY conversation_id
)
SELECT conversation_id FROM conversation
WHERE (coalesce(cost_usd, -1), conversation_id) < (%(v0)s::numeric, %(v1)s)
ORDER BY coalesce(cost_usd, -1) DESC, conversation_id DESC
LIMIT %(limit)s

-- turns
WITH span AS MATERIALIZED (
    SELECT DISTINCT ON (trace_id, span_id)
           trace_id, span_id, parent_span_id, timestamp, timestamp_nanos, duration_ns, service_name, span_name, operation,
           coalesce(nullif(response_model, ''), request_model) AS model, agent_name, tool_name, user_id, usage_role,
           input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reported_cost_usd, ttft_ms, finish_reasons,
           status_code, error_type, status_message, (timestamp AT TIME ZONE 'UTC')::date AS day,
           coalesce(provider, '') AS provider, coalesce(response_model, '') AS response_model,
           coalesce(request_model, '') AS request_model, coalesce(service_tier, '') AS service_tier,
           (CASE WHEN input_tokens > 524288 THEN 524288 WHEN input_tokens > 512000 THEN 512000 WHEN input_tokens > 272000 THEN 272000 WHEN input_tokens > 256000 THEN 256000 WHEN input_tokens > 200000 THEN 200000 WHEN input_tokens > 199999 THEN 199999 WHEN input_tokens > 128000 THEN 128000 WHEN input_tokens > 100000 THEN 100000 WHEN input_tokens > 32000 THEN 32000 ELSE 0 END)::int8 AS input_band
    FROM llm_traces
    WHERE tenant = %(tenant)s AND timestamp >= %(v3)s AND timestamp < %(v4)s AND conversation_id = %(conversation_id)s  AND (timestamp, timestamp_nanos) >= (%(v5)s, %(v6)s::int2)
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
        SELECT * FROM usage_corrections WHERE tenant = %(tenant)s AND timestamp >= %(v3)s AND timestamp < %(v4)s
    ) AS added USING (trace_id, span_id)
),
rate AS MATERIALIZED (
    SELECT model.*, price.*
    FROM (SELECT DISTINCT provider, response_model, request_model, service_tier, input_band FROM part) AS model
    CROSS JOIN LATERAL llm_rates(
        %(tenant)s, model.provider, model.response_model, model.request_model, model.service_tier, model.input_band
    ) AS price
),
priced AS (
    SELECT part.*, rate.input_usd, rate.cache_read_usd, rate.cache_write_usd, rate.output_usd
    FROM part
    LEFT JOIN rate
      ON (rate.provider, rate.response_model, rate.request_model, rate.service_tier, rate.input_band)
       = (part.provider, part.response_model, part.request_model, part.service_tier, part.input_band)
     AND part.day >= rate.valid_from AND part.day < rate.valid_to
)

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

-- content
SELECT trace_id, span_id, kind, carrier, attribute, body, is_json, original_length
FROM (
    SELECT DISTINCT ON (trace_id, span_id, log_id, carrier, event_index, attribute) *
    FROM llm_content
    WHERE tenant = %(tenant)s AND timestamp >= %(first)s AND timestamp <= %(last)s
      AND trace_id = ANY(%(traces)s::uuid[]) AND span_id = ANY(%(spans)s)
    ORDER BY trace_id, span_id, log_id, carrier, event_index, attribute, original_length DESC, timestamp, body
) AS said
ORDER BY trace_id, span_id, timestamp, log_id NULLS FIRST, carrier = 'span_attribute' DESC, event_index NULLS FIRST,
         array_position(
             ARRAY['system_instructions', 'tool_definitions', 'documents', 'input', 'tool_arguments', 'tool_result', 'output'], kind
         ), attribute
