-- a trace
SELECT min(timestamp), max(last_timestamp)
FROM (
    SELECT timestamp, last_timestamp
    FROM trace_index
    WHERE tenant = %(tenant)s AND trace_id = %(trace_id)s::uuid
    OFFSET 0
) requests

-- a trace
SELECT "tenant", "timestamp", "timestamp_nanos", "trace_id", "span_id", "parent_span_id", "trace_state", "flags", "is_entry", "service_name", "span_name", "span_kind", "duration_ns", "duration_ms", "status_code", "status_message", "source_id", "provider", "operation", "request_model", "response_model", "response_id", "service_tier", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "usage_role", "reported_cost_usd", "ttft_ms", "is_streaming", "finish_reasons", "conversation_id", "user_id", "agent_name", "tool_name", "error_type", "temperature", "top_p", "max_tokens", "prompt_name", "prompt_version", "environment", "attributes", "events", "links", "dropped_attributes_count", "dropped_events_count", "dropped_links_count"
FROM llm_traces
WHERE tenant = %(tenant)s AND trace_id = %(trace_id)s::uuid AND timestamp >= %(first)s AND timestamp <= %(last)s
ORDER BY timestamp, timestamp_nanos, span_id, duration_ns DESC NULLS LAST, output_tokens DESC NULLS LAST,
    input_tokens DESC NULLS LAST, reported_cost_usd DESC NULLS LAST

-- spans: the newest
SELECT timestamp, timestamp_nanos, trace_id, span_id
FROM (
    SELECT timestamp, timestamp_nanos, trace_id, span_id
    FROM llm_traces
    WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s
    ORDER BY timestamp DESC
    FETCH FIRST %(limit)s ROWS WITH TIES
) newest
ORDER BY timestamp DESC, timestamp_nanos DESC, trace_id DESC, span_id DESC
LIMIT %(limit)s

-- spans: the newest, a page
SELECT timestamp, timestamp_nanos, trace_id, span_id
FROM (
    SELECT timestamp, timestamp_nanos, trace_id, span_id
    FROM llm_traces
    WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s AND (timestamp, timestamp_nanos) < (%(v0)s, %(v1)s::int2) AND (timestamp, timestamp_nanos, trace_id, span_id) < (%(v2)s, %(v3)s::int2, %(v4)s::uuid, %(v5)s)
    ORDER BY timestamp DESC
    FETCH FIRST %(limit)s ROWS WITH TIES
) newest
ORDER BY timestamp DESC, timestamp_nanos DESC, trace_id DESC, span_id DESC
LIMIT %(limit)s

-- spans: the newest of a service
SELECT timestamp, timestamp_nanos, trace_id, span_id
FROM (
    SELECT timestamp, timestamp_nanos, trace_id, span_id
    FROM llm_traces
    WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s AND service_name = %(v0)s
    ORDER BY timestamp DESC
    FETCH FIRST %(limit)s ROWS WITH TIES
) newest
ORDER BY timestamp DESC, timestamp_nanos DESC, trace_id DESC, span_id DESC
LIMIT %(limit)s

-- spans: the newest of a service, a page
SELECT timestamp, timestamp_nanos, trace_id, span_id
FROM (
    SELECT timestamp, timestamp_nanos, trace_id, span_id
    FROM llm_traces
    WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s AND service_name = %(v0)s AND (timestamp, timestamp_nanos) < (%(v1)s, %(v2)s::int2) AND (timestamp, timestamp_nanos, trace_id, span_id) < (%(v3)s, %(v4)s::int2, %(v5)s::uuid, %(v6)s)
    ORDER BY timestamp DESC
    FETCH FIRST %(limit)s ROWS WITH TIES
) newest
ORDER BY timestamp DESC, timestamp_nanos DESC, trace_id DESC, span_id DESC
LIMIT %(limit)s

-- spans: every condition
SELECT timestamp, timestamp_nanos, trace_id, span_id
FROM (
    SELECT timestamp, timestamp_nanos, trace_id, span_id
    FROM llm_traces
    WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s AND service_name = ANY(%(v0)s) AND span_name = %(v1)s AND span_kind = ANY(%(v2)s) AND is_entry AND status_code = ANY(%(v3)s) AND duration_ns >= %(v4)s::int8 AND duration_ns <= %(v5)s::int8 AND conversation_id = %(v6)s AND user_id = %(v7)s AND agent_name = %(v8)s AND (request_model = %(v9)s OR response_model = %(v9)s) AND (((("attributes" @> %(v10)s::jsonb AND NOT strpos("attributes"->>%(v11)s, '.') > 0))) OR (-- Read once before the rows, not joined to each of them; of sources there are few.
source_id = ANY(ARRAY(SELECT source_id FROM telemetry_sources WHERE tenant = %(tenant)s AND (("resource" @> %(v12)s::jsonb AND NOT strpos("resource"->>%(v13)s, '.') > 0))))
 AND (("attributes" ? %(v14)s)) IS NOT TRUE)) AND (("user_id" IS NOT NULL OR "attributes" ? %(v15)s) OR (-- Read once before the rows, not joined to each of them; of sources there are few.
source_id = ANY(ARRAY(SELECT source_id FROM telemetry_sources WHERE tenant = %(tenant)s AND "resource" ? %(v16)s))
 AND (("user_id" IS NOT NULL OR "attributes" ? %(v17)s)) IS NOT TRUE)) AND ((("input_tokens"::float8 >= %(v18)s AND "input_tokens"::float8 <> 'NaN') OR (CASE jsonb_typeof("attributes"->%(v19)s) WHEN 'number' THEN ("attributes"->>%(v19)s)::float8 WHEN 'object' THEN ("attributes"->%(v19)s->>'$double')::float8 END >= %(v20)s AND CASE jsonb_typeof("attributes"->%(v19)s) WHEN 'number' THEN ("attributes"->>%(v19)s)::float8 WHEN 'object' THEN ("attributes"->%(v19)s->>'$double')::float8 END <> 'NaN')) OR (-- Read once before the rows, not joined to each of them; of sources there are few.
source_id = ANY(ARRAY(SELECT source_id FROM telemetry_sources WHERE tenant = %(tenant)s AND (CASE jsonb_typeof("resource"->%(v21)s) WHEN 'number' THEN ("resource"->>%(v21)s)::float8 WHEN 'object' THEN ("resource"->%(v21)s->>'$double')::float8 END >= %(v22)s AND CASE jsonb_typeof("resource"->%(v21)s) WHEN 'number' THEN ("resource"->>%(v21)s)::float8 WHEN 'object' THEN ("resource"->%(v21)s->>'$double')::float8 END <> 'NaN')))
 AND (("input_tokens" IS NOT NULL OR "attributes" ? %(v23)s)) IS NOT TRUE)) AND ((starts_with("request_model", %(v24)s) OR (jsonb_typeof("attributes"->%(v25)s) = 'string' AND starts_with("attributes"->>%(v25)s, %(v26)s))) OR (-- Read once before the rows, not joined to each of them; of sources there are few.
source_id = ANY(ARRAY(SELECT source_id FROM telemetry_sources WHERE tenant = %(tenant)s AND (jsonb_typeof("resource"->%(v27)s) = 'string' AND starts_with("resource"->>%(v27)s, %(v28)s))))
 AND (("request_model" IS NOT NULL OR "attributes" ? %(v29)s)) IS NOT TRUE))
    ORDER BY timestamp DESC
    FETCH FIRST %(limit)s ROWS WITH TIES
) newest
ORDER BY timestamp DESC, timestamp_nanos DESC, trace_id DESC, span_id DESC
LIMIT %(limit)s

-- spans: every condition, a page
SELECT timestamp, timestamp_nanos, trace_id, span_id
FROM (
    SELECT timestamp, timestamp_nanos, trace_id, span_id
    FROM llm_traces
    WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s AND service_name = ANY(%(v0)s) AND span_name = %(v1)s AND span_kind = ANY(%(v2)s) AND is_entry AND status_code = ANY(%(v3)s) AND duration_ns >= %(v4)s::int8 AND duration_ns <= %(v5)s::int8 AND conversation_id = %(v6)s AND user_id = %(v7)s AND agent_name = %(v8)s AND (request_model = %(v9)s OR response_model = %(v9)s) AND (((("attributes" @> %(v10)s::jsonb AND NOT strpos("attributes"->>%(v11)s, '.') > 0))) OR (-- Read once before the rows, not joined to each of them; of sources there are few.
source_id = ANY(ARRAY(SELECT source_id FROM telemetry_sources WHERE tenant = %(tenant)s AND (("resource" @> %(v12)s::jsonb AND NOT strpos("resource"->>%(v13)s, '.') > 0))))
 AND (("attributes" ? %(v14)s)) IS NOT TRUE)) AND (("user_id" IS NOT NULL OR "attributes" ? %(v15)s) OR (-- Read once before the rows, not joined to each of them; of sources there are few.
source_id = ANY(ARRAY(SELECT source_id FROM telemetry_sources WHERE tenant = %(tenant)s AND "resource" ? %(v16)s))
 AND (("user_id" IS NOT NULL OR "attributes" ? %(v17)s)) IS NOT TRUE)) AND ((("input_tokens"::float8 >= %(v18)s AND "input_tokens"::float8 <> 'NaN') OR (CASE jsonb_typeof("attributes"->%(v19)s) WHEN 'number' THEN ("attributes"->>%(v19)s)::float8 WHEN 'object' THEN ("attributes"->%(v19)s->>'$double')::float8 END >= %(v20)s AND CASE jsonb_typeof("attributes"->%(v19)s) WHEN 'number' THEN ("attributes"->>%(v19)s)::float8 WHEN 'object' THEN ("attributes"->%(v19)s->>'$double')::float8 END <> 'NaN')) OR (-- Read once before the rows, not joined to each of them; of sources there are few.
source_id = ANY(ARRAY(SELECT source_id FROM telemetry_sources WHERE tenant = %(tenant)s AND (CASE jsonb_typeof("resource"->%(v21)s) WHEN 'number' THEN ("resource"->>%(v21)s)::float8 WHEN 'object' THEN ("resource"->%(v21)s->>'$double')::float8 END >= %(v22)s AND CASE jsonb_typeof("resource"->%(v21)s) WHEN 'number' THEN ("resource"->>%(v21)s)::float8 WHEN 'object' THEN ("resource"->%(v21)s->>'$double')::float8 END <> 'NaN')))
 AND (("input_tokens" IS NOT NULL OR "attributes" ? %(v23)s)) IS NOT TRUE)) AND ((starts_with("request_model", %(v24)s) OR (jsonb_typeof("attributes"->%(v25)s) = 'string' AND starts_with("attributes"->>%(v25)s, %(v26)s))) OR (-- Read once before the rows, not joined to each of them; of sources there are few.
source_id = ANY(ARRAY(SELECT source_id FROM telemetry_sources WHERE tenant = %(tenant)s AND (jsonb_typeof("resource"->%(v27)s) = 'string' AND starts_with("resource"->>%(v27)s, %(v28)s))))
 AND (("request_model" IS NOT NULL OR "attributes" ? %(v29)s)) IS NOT TRUE)) AND (timestamp, timestamp_nanos) < (%(v30)s, %(v31)s::int2) AND (timestamp, timestamp_nanos, trace_id, span_id) < (%(v32)s, %(v33)s::int2, %(v34)s::uuid, %(v35)s)
    ORDER BY timestamp DESC
    FETCH FIRST %(limit)s ROWS WITH TIES
) newest
ORDER BY timestamp DESC, timestamp_nanos DESC, trace_id DESC, span_id DESC
LIMIT %(limit)s

-- spans: the slowest
SELECT timestamp, timestamp_nanos, trace_id, span_id, value
FROM (SELECT timestamp, timestamp_nanos, trace_id, span_id, duration_ns AS value
FROM (SELECT *
FROM llm_traces
WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s
) span
WHERE duration_ns IS NOT NULL
) valued
WHERE true
ORDER BY value DESC, timestamp DESC, timestamp_nanos DESC, trace_id DESC, span_id DESC
LIMIT %(limit)s

-- spans: the slowest, a page
SELECT timestamp, timestamp_nanos, trace_id, span_id, value
FROM (SELECT timestamp, timestamp_nanos, trace_id, span_id, duration_ns AS value
FROM (SELECT *
FROM llm_traces
WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s
) span
WHERE duration_ns IS NOT NULL
) valued
WHERE true AND (value, timestamp, timestamp_nanos, trace_id, span_id) < (%(v4)s::int8, %(v0)s, %(v1)s::int2, %(v2)s::uuid, %(v3)s)
ORDER BY value DESC, timestamp DESC, timestamp_nanos DESC, trace_id DESC, span_id DESC
LIMIT %(limit)s

-- spans: the costliest
SELECT timestamp, timestamp_nanos, trace_id, span_id, value
FROM (-- By the price table, or else as the client reported; of spans whose usage is another's, and where nobody knows, there is no row.
WITH part AS MATERIALIZED (
    SELECT timestamp, timestamp_nanos, trace_id, span_id, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
        reported_cost_usd, (timestamp AT TIME ZONE 'UTC')::date AS day, coalesce(provider, '') AS provider,
        coalesce(response_model, '') AS response_model, coalesce(request_model, '') AS request_model,
        coalesce(service_tier, '') AS service_tier, (CASE WHEN input_tokens > 524288 THEN 524288 WHEN input_tokens > 512000 THEN 512000 WHEN input_tokens > 272000 THEN 272000 WHEN input_tokens > 256000 THEN 256000 WHEN input_tokens > 200000 THEN 200000 WHEN input_tokens > 199999 THEN 199999 WHEN input_tokens > 128000 THEN 128000 WHEN input_tokens > 100000 THEN 100000 WHEN input_tokens > 32000 THEN 32000 ELSE 0 END)::int8 AS input_band
    FROM (SELECT *
FROM llm_traces
WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s
) span
    WHERE usage_role IN ('call', 'carrier')
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
WHERE value > '-Infinity' AND value < 'Infinity'
) valued
WHERE true
ORDER BY value DESC, timestamp DESC, timestamp_nanos DESC, trace_id DESC, span_id DESC
LIMIT %(limit)s

-- spans: the costliest, a page
SELECT timestamp, timestamp_nanos, trace_id, span_id, value
FROM (-- By the price table, or else as the client reported; of spans whose usage is another's, and where nobody knows, there is no row.
WITH part AS MATERIALIZED (
    SELECT timestamp, timestamp_nanos, trace_id, span_id, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
        reported_cost_usd, (timestamp AT TIME ZONE 'UTC')::date AS day, coalesce(provider, '') AS provider,
        coalesce(response_model, '') AS response_model, coalesce(request_model, '') AS request_model,
        coalesce(service_tier, '') AS service_tier, (CASE WHEN input_tokens > 524288 THEN 524288 WHEN input_tokens > 512000 THEN 512000 WHEN input_tokens > 272000 THEN 272000 WHEN input_tokens > 256000 THEN 256000 WHEN input_tokens > 200000 THEN 200000 WHEN input_tokens > 199999 THEN 199999 WHEN input_tokens > 128000 THEN 128000 WHEN input_tokens > 100000 THEN 100000 WHEN input_tokens > 32000 THEN 32000 ELSE 0 END)::int8 AS input_band
    FROM (SELECT *
FROM llm_traces
WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s
) span
    WHERE usage_role IN ('call', 'carrier')
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
WHERE value > '-Infinity' AND value < 'Infinity'
) valued
WHERE true AND (value, timestamp, timestamp_nanos, trace_id, span_id) < (%(v4)s::float8, %(v0)s, %(v1)s::int2, %(v2)s::uuid, %(v3)s)
ORDER BY value DESC, timestamp DESC, timestamp_nanos DESC, trace_id DESC, span_id DESC
LIMIT %(limit)s

-- spans: the slowest of a day
SELECT duration_ms_max
FROM trace_metrics_hourly rollup
WHERE tenant = %(tenant)s AND rollup.bucket >= %(start_time)s AND rollup.bucket < %(end_time)s
    AND duration_ms_max IS NOT NULL
ORDER BY duration_ms_max DESC
OFFSET %(limit)s - 1
LIMIT 1

-- spans: the slowest of a day
SELECT timestamp, timestamp_nanos, trace_id, span_id, value
FROM (SELECT timestamp, timestamp_nanos, trace_id, span_id, duration_ns AS value
FROM (SELECT *
FROM llm_traces
WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s
) span
WHERE duration_ns IS NOT NULL
) valued
WHERE true
ORDER BY value DESC, timestamp DESC, timestamp_nanos DESC, trace_id DESC, span_id DESC
LIMIT %(limit)s

-- summaries
SELECT DISTINCT ON (timestamp, timestamp_nanos, trace_id, span_id) timestamp, timestamp_nanos, trace_id, span_id, parent_span_id, service_name, span_name, span_kind, duration_ns, status_code, status_message, is_entry, provider, operation, request_model, response_model, input_tokens, output_tokens, conversation_id, user_id, agent_name, tool_name, error_type
FROM llm_traces
WHERE tenant = %(tenant)s AND timestamp >= %(first)s AND timestamp <= %(last)s
    AND timestamp = ANY(%(times)s) AND trace_id = ANY(%(trace_ids)s::uuid[]) AND span_id = ANY(%(span_ids)s)
ORDER BY timestamp, timestamp_nanos, trace_id, span_id, duration_ns DESC NULLS LAST, output_tokens DESC NULLS LAST,
    input_tokens DESC NULLS LAST, reported_cost_usd DESC NULLS LAST

-- costs
WITH part AS MATERIALIZED (
    SELECT timestamp, timestamp_nanos, trace_id, span_id, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
        reported_cost_usd, (timestamp AT TIME ZONE 'UTC')::date AS day, coalesce(provider, '') AS provider,
        coalesce(response_model, '') AS response_model, coalesce(request_model, '') AS request_model,
        coalesce(service_tier, '') AS service_tier, (CASE WHEN input_tokens > 524288 THEN 524288 WHEN input_tokens > 512000 THEN 512000 WHEN input_tokens > 272000 THEN 272000 WHEN input_tokens > 256000 THEN 256000 WHEN input_tokens > 200000 THEN 200000 WHEN input_tokens > 199999 THEN 199999 WHEN input_tokens > 128000 THEN 128000 WHEN input_tokens > 100000 THEN 100000 WHEN input_tokens > 32000 THEN 32000 ELSE 0 END)::int8 AS input_band
    FROM (SELECT DISTINCT ON (timestamp, timestamp_nanos, trace_id, span_id) *
FROM llm_traces
WHERE tenant = %(tenant)s AND timestamp >= %(first)s AND timestamp <= %(last)s
    AND timestamp = ANY(%(times)s) AND trace_id = ANY(%(trace_ids)s::uuid[]) AND span_id = ANY(%(span_ids)s)
ORDER BY timestamp, timestamp_nanos, trace_id, span_id, duration_ns DESC NULLS LAST, output_tokens DESC NULLS LAST,
    input_tokens DESC NULLS LAST, reported_cost_usd DESC NULLS LAST
) span
    WHERE usage_role IN ('call', 'carrier')
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
WHERE value > '-Infinity' AND value < 'Infinity'

-- whole spans
SELECT DISTINCT ON (timestamp, timestamp_nanos, trace_id, span_id) "tenant", "timestamp", "timestamp_nanos", "trace_id", "span_id", "parent_span_id", "trace_state", "flags", "is_entry", "service_name", "span_name", "span_kind", "duration_ns", "duration_ms", "status_code", "status_message", "source_id", "provider", "operation", "request_model", "response_model", "response_id", "service_tier", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "usage_role", "reported_cost_usd", "ttft_ms", "is_streaming", "finish_reasons", "conversation_id", "user_id", "agent_name", "tool_name", "error_type", "temperature", "top_p", "max_tokens", "prompt_name", "prompt_version", "environment", "attributes", "events", "links", "dropped_attributes_count", "dropped_events_count", "dropped_links_count"
FROM llm_traces
WHERE tenant = %(tenant)s AND timestamp >= %(first)s AND timestamp <= %(last)s
    AND timestamp = ANY(%(times)s) AND trace_id = ANY(%(trace_ids)s::uuid[]) AND span_id = ANY(%(span_ids)s)
ORDER BY timestamp, timestamp_nanos, trace_id, span_id, duration_ns DESC NULLS LAST, output_tokens DESC NULLS LAST,
    input_tokens DESC NULLS LAST, reported_cost_usd DESC NULLS LAST

-- whole spans
SELECT "tenant", "timestamp", "service_name", "trace_id", "span_id", "log_id", "kind", "carrier", "event_index", "attribute", "is_json", "body", "original_length"
FROM llm_content
WHERE tenant = %(tenant)s AND timestamp >= %(first)s AND timestamp <= %(last)s
    AND timestamp = ANY(%(times)s) AND trace_id = ANY(%(trace_ids)s::uuid[]) AND span_id = ANY(%(span_ids)s)
    AND log_id IS NULL
ORDER BY timestamp, original_length, body DESC

-- services
SELECT service_name, sum(span_count)::int8, sum(error_count)::int8, max(bucket)
FROM (SELECT bucket, "service_name", sum(span_count)::int8 AS span_count, sum(error_count)::int8 AS error_count
FROM (SELECT (extract(epoch FROM rollup.bucket) * 1000000000)::int8 / %(v5)s::int8 * %(v5)s::int8 AS bucket, "service_name", "span_count", "error_count"
FROM "trace_metrics_hourly" rollup
WHERE tenant = %(tenant)s AND rollup.bucket >= %(v3)s AND rollup.bucket < %(v4)s
) pieces
GROUP BY 1, 2
ORDER BY bucket
LIMIT %(limit)s
) sums
GROUP BY service_name
ORDER BY service_name
LIMIT %(most)s

-- numbers: hours
SELECT bucket, service_name, span_kind, span_count, error_count, timed_count, duration_ns_sum, duration_ms_max, log_histogram_quantile(duration_buckets, %(v0)s), log_histogram_quantile(duration_buckets, %(v1)s), log_histogram_quantile(duration_buckets, %(v2)s) FROM (SELECT bucket, "service_name", "span_kind", sum(span_count)::int8 AS span_count, sum(error_count)::int8 AS error_count, sum(timed_count)::int8 AS timed_count, sum(duration_ns_sum)::numeric AS duration_ns_sum, max(duration_ms_max)::float8 AS duration_ms_max, log_histogram_merge(duration_buckets)::int8[] AS duration_buckets
FROM (SELECT (extract(epoch FROM rollup.bucket) * 1000000000)::int8 / %(v5)s::int8 * %(v5)s::int8 AS bucket, "service_name", "span_kind", "span_count", "error_count", "timed_count", "duration_ns_sum", "duration_ms_max", "duration_buckets"
FROM "trace_metrics_hourly" rollup
WHERE tenant = %(tenant)s AND rollup.bucket >= %(v3)s AND rollup.bucket < %(v4)s AND is_entry
) pieces
GROUP BY 1, 2, 3
ORDER BY bucket
LIMIT %(limit)s
) sums ORDER BY bucket

-- numbers: days and edges
SELECT bucket, service_name, span_kind, span_count, error_count, timed_count, duration_ns_sum, duration_ms_max, log_histogram_quantile(duration_buckets, %(v0)s), log_histogram_quantile(duration_buckets, %(v1)s), log_histogram_quantile(duration_buckets, %(v2)s) FROM (SELECT bucket, "service_name", "span_kind", sum(span_count)::int8 AS span_count, sum(error_count)::int8 AS error_count, sum(timed_count)::int8 AS timed_count, sum(duration_ns_sum)::numeric AS duration_ns_sum, max(duration_ms_max)::float8 AS duration_ms_max, log_histogram_merge(duration_buckets)::int8[] AS duration_buckets
FROM (SELECT %(v7)s::int8 AS bucket, "service_name", "span_kind", count(*) AS span_count, count(*) FILTER (WHERE status_code = 2) AS error_count, count(*) FILTER (WHERE duration_ms IS NOT NULL) AS timed_count, sum(duration_ns) FILTER (WHERE duration_ms IS NOT NULL) AS duration_ns_sum, max(duration_ms) AS duration_ms_max, log_histogram(log_bucket(duration_ms)) AS duration_buckets
FROM llm_traces
WHERE tenant = %(tenant)s AND timestamp >= %(v3)s AND timestamp < %(v4)s AND is_entry AND (timestamp, timestamp_nanos) >= (%(v5)s, %(v6)s::int2)
GROUP BY 1, 2, 3
 UNION ALL SELECT %(v10)s::int8 AS bucket, "service_name", "span_kind", "span_count", "error_count", "timed_count", "duration_ns_sum", "duration_ms_max", "duration_buckets"
FROM "trace_metrics_daily" rollup
WHERE tenant = %(tenant)s AND rollup.bucket >= %(v8)s AND rollup.bucket < %(v9)s AND is_entry
 UNION ALL SELECT %(v13)s::int8 AS bucket, "service_name", "span_kind", "span_count", "error_count", "timed_count", "duration_ns_sum", "duration_ms_max", "duration_buckets"
FROM "trace_metrics_hourly" rollup
WHERE tenant = %(tenant)s AND rollup.bucket >= %(v11)s AND rollup.bucket < %(v12)s AND is_entry
 UNION ALL SELECT %(v18)s::int8 AS bucket, "service_name", "span_kind", count(*) AS span_count, count(*) FILTER (WHERE status_code = 2) AS error_count, count(*) FILTER (WHERE duration_ms IS NOT NULL) AS timed_count, sum(duration_ns) FILTER (WHERE duration_ms IS NOT NULL) AS duration_ns_sum, max(duration_ms) AS duration_ms_max, log_histogram(log_bucket(duration_ms)) AS duration_buckets
FROM llm_traces
WHERE tenant = %(tenant)s AND timestamp >= %(v14)s AND timestamp < %(v15)s AND is_entry AND (timestamp, timestamp_nanos) < (%(v16)s, %(v17)s::int2)
GROUP BY 1, 2, 3
) pieces
GROUP BY 1, 2, 3
ORDER BY bucket
LIMIT %(limit)s
) sums ORDER BY bucket

-- numbers: rows
SELECT bucket, service_name, span_kind, span_count, error_count, timed_count, duration_ns_sum, duration_ms_max, log_histogram_quantile(duration_buckets, %(v0)s), log_histogram_quantile(duration_buckets, %(v1)s), log_histogram_quantile(duration_buckets, %(v2)s) FROM (SELECT bucket, "service_name", "span_kind", sum(span_count)::int8 AS span_count, sum(error_count)::int8 AS error_count, sum(timed_count)::int8 AS timed_count, sum(duration_ns_sum)::numeric AS duration_ns_sum, max(duration_ms_max)::float8 AS duration_ms_max, log_histogram_merge(duration_buckets)::int8[] AS duration_buckets
FROM (SELECT ((extract(epoch FROM timestamp) * 1000000)::int8 * 1000 + timestamp_nanos) / %(v7)s::int8 * %(v7)s::int8 AS bucket, "service_name", "span_kind", count(*) AS span_count, count(*) FILTER (WHERE status_code = 2) AS error_count, count(*) FILTER (WHERE duration_ms IS NOT NULL) AS timed_count, sum(duration_ns) FILTER (WHERE duration_ms IS NOT NULL) AS duration_ns_sum, max(duration_ms) AS duration_ms_max, log_histogram(log_bucket(duration_ms)) AS duration_buckets
FROM llm_traces
WHERE tenant = %(tenant)s AND timestamp >= %(v3)s AND timestamp < %(v4)s AND is_entry AND (timestamp, timestamp_nanos) < (%(v5)s, %(v6)s::int2)
GROUP BY 1, 2, 3
) pieces
GROUP BY 1, 2, 3
ORDER BY bucket
LIMIT %(limit)s
) sums ORDER BY bucket

-- operations
SELECT bucket, "service_name", "span_name", "span_kind", "is_entry", sum(span_count)::int8 AS span_count, sum(error_count)::int8 AS error_count
FROM (SELECT %(v3)s::int8 AS bucket, "service_name", "span_name", "span_kind", "is_entry", "span_count", "error_count"
FROM "trace_metrics_hourly" rollup
WHERE tenant = %(tenant)s AND rollup.bucket >= %(v1)s AND rollup.bucket < %(v2)s AND service_name = %(v0)s
) pieces
GROUP BY 1, 2, 3, 4, 5
ORDER BY span_count DESC, service_name, span_name, span_kind, is_entry
LIMIT %(limit)s

-- attribute keys
WITH newest AS (
    SELECT trace_id, span_id, source_id, attributes, timestamp, timestamp_nanos, duration_ns, "provider", "operation", "request_model", "response_model", "response_id", "service_tier", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens", "reported_cost_usd", "ttft_ms", "is_streaming", "finish_reasons", "conversation_id", "user_id", "agent_name", "tool_name", "error_type", "temperature", "top_p", "max_tokens", "prompt_name", "prompt_version"
    FROM llm_traces
    WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s AND service_name = %(v51)s
    ORDER BY timestamp DESC
    LIMIT %(sample)s
), sample AS MATERIALIZED (
    SELECT DISTINCT ON (trace_id, span_id) *
    FROM newest
    ORDER BY trace_id, span_id, timestamp, timestamp_nanos, duration_ns DESC NULLS LAST, output_tokens DESC NULLS LAST,
        input_tokens DESC NULLS LAST, reported_cost_usd DESC NULLS LAST
), counted AS (
    SELECT key, 1 AS scope, count(*) AS spans
    FROM sample CROSS JOIN LATERAL jsonb_object_keys(attributes) key
    GROUP BY key
    UNION ALL
    SELECT filled.key, 1, filled.spans
    FROM (SELECT count(*) FILTER (WHERE "provider" IS NOT NULL AND NOT attributes ?| %(v1)s) AS "provider", count(*) FILTER (WHERE "operation" IS NOT NULL AND NOT attributes ?| %(v2)s) AS "operation", count(*) FILTER (WHERE "request_model" IS NOT NULL AND NOT attributes ?| %(v3)s) AS "request_model", count(*) FILTER (WHERE "response_model" IS NOT NULL AND NOT attributes ?| %(v4)s) AS "response_model", count(*) FILTER (WHERE "response_id" IS NOT NULL AND NOT attributes ?| %(v5)s) AS "response_id", count(*) FILTER (WHERE "service_tier" IS NOT NULL AND NOT attributes ?| %(v6)s) AS "service_tier", count(*) FILTER (WHERE "input_tokens" IS NOT NULL AND NOT attributes ?| %(v7)s) AS "input_tokens", count(*) FILTER (WHERE "output_tokens" IS NOT NULL AND NOT attributes ?| %(v8)s) AS "output_tokens", count(*) FILTER (WHERE "cache_read_tokens" IS NOT NULL AND NOT attributes ?| %(v9)s) AS "cache_read_tokens", count(*) FILTER (WHERE "cache_write_tokens" IS NOT NULL AND NOT attributes ?| %(v10)s) AS "cache_write_tokens", count(*) FILTER (WHERE "reasoning_tokens" IS NOT NULL AND NOT attributes ?| %(v11)s) AS "reasoning_tokens", count(*) FILTER (WHERE "reported_cost_usd" IS NOT NULL AND NOT attributes ?| %(v12)s) AS "reported_cost_usd", count(*) FILTER (WHERE "ttft_ms" IS NOT NULL AND NOT attributes ?| %(v13)s) AS "ttft_ms", count(*) FILTER (WHERE "is_streaming" IS NOT NULL AND NOT attributes ?| %(v14)s) AS "is_streaming", count(*) FILTER (WHERE "finish_reasons" IS NOT NULL AND NOT attributes ?| %(v15)s) AS "finish_reasons", count(*) FILTER (WHERE "conversation_id" IS NOT NULL AND NOT attributes ?| %(v16)s) AS "conversation_id", count(*) FILTER (WHERE "user_id" IS NOT NULL AND NOT attributes ?| %(v17)s) AS "user_id", count(*) FILTER (WHERE "agent_name" IS NOT NULL AND NOT attributes ?| %(v18)s) AS "agent_name", count(*) FILTER (WHERE "tool_name" IS NOT NULL AND NOT attributes ?| %(v19)s) AS "tool_name", count(*) FILTER (WHERE "error_type" IS NOT NULL AND NOT attributes ?| %(v20)s) AS "error_type", count(*) FILTER (WHERE "temperature" IS NOT NULL AND NOT attributes ?| %(v21)s) AS "temperature", count(*) FILTER (WHERE "top_p" IS NOT NULL AND NOT attributes ?| %(v22)s) AS "top_p", count(*) FILTER (WHERE "max_tokens" IS NOT NULL AND NOT attributes ?| %(v23)s) AS "max_tokens", count(*) FILTER (WHERE "prompt_name" IS NOT NULL AND NOT attributes ?| %(v24)s) AS "prompt_name", count(*) FILTER (WHERE "prompt_version" IS NOT NULL AND NOT attributes ?| %(v25)s) AS "prompt_version" FROM sample) counts CROSS JOIN LATERAL (VALUES (%(v26)s, "provider"), (%(v27)s, "operation"), (%(v28)s, "request_model"), (%(v29)s, "response_model"), (%(v30)s, "response_id"), (%(v31)s, "service_tier"), (%(v32)s, "input_tokens"), (%(v33)s, "output_tokens"), (%(v34)s, "cache_read_tokens"), (%(v35)s, "cache_write_tokens"), (%(v36)s, "reasoning_tokens"), (%(v37)s, "reported_cost_usd"), (%(v38)s, "ttft_ms"), (%(v39)s, "is_streaming"), (%(v40)s, "finish_reasons"), (%(v41)s, "conversation_id"), (%(v42)s, "user_id"), (%(v43)s, "agent_name"), (%(v44)s, "tool_name"), (%(v45)s, "error_type"), (%(v46)s, "temperature"), (%(v47)s, "top_p"), (%(v48)s, "max_tokens"), (%(v49)s, "prompt_name"), (%(v50)s, "prompt_version")) filled (key, spans)
    WHERE filled.spans > 0
    UNION ALL
    SELECT key, 2, sum(of_source.spans)
    FROM (SELECT source_id, count(*) AS spans FROM sample GROUP BY source_id) of_source
    JOIN telemetry_sources source ON source.tenant = %(tenant)s AND source.source_id = of_source.source_id
    CROSS JOIN LATERAL jsonb_object_keys(source.resource) key
    GROUP BY key
), written AS (
    -- A key that begins with a dollar sign stands in documents with one more.
    SELECT CASE WHEN starts_with(key, '$') THEN substr(key, 2) ELSE key END AS key, scope, sum(spans)::int8 AS spans
    FROM counted
    GROUP BY 1, 2
)
SELECT total.spans, found.key, found.scope, found.spans
FROM (SELECT count(*) AS spans FROM sample) total
LEFT JOIN (
    SELECT * FROM written
    WHERE starts_with(key, %(prefix)s) AND octet_length(key) <= %(longest)s
    ORDER BY spans DESC, key, scope
    LIMIT %(limit)s
) found ON true
ORDER BY found.spans DESC, found.key, found.scope

-- attribute values
WITH newest AS (
    SELECT trace_id, span_id, source_id, timestamp, timestamp_nanos, duration_ns, output_tokens, input_tokens, reported_cost_usd,
        attributes -> %(v1)s AS own
    FROM llm_traces
    WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s AND service_name = %(v3)s
    ORDER BY timestamp DESC
    LIMIT %(sample)s
), sample AS MATERIALIZED (
    SELECT DISTINCT ON (trace_id, span_id) *
    FROM newest
    ORDER BY trace_id, span_id, timestamp, timestamp_nanos, duration_ns DESC NULLS LAST, output_tokens DESC NULLS LAST,
        input_tokens DESC NULLS LAST, reported_cost_usd DESC NULLS LAST
), valued AS (
    SELECT coalesce(own, source.resource -> %(v1)s) AS value
    FROM sample LEFT JOIN telemetry_sources source ON source.tenant = %(tenant)s AND source.source_id = sample.source_id
)
SELECT total.spans, found.value, found.spans
FROM (SELECT count(*) AS spans FROM sample) total
LEFT JOIN (
    SELECT value::text AS value, count(*) AS spans
    FROM valued
    WHERE (jsonb_typeof(value) IN ('string', 'boolean', 'number') OR (jsonb_typeof(value) = 'object' AND value ? '$double'))
        AND (NOT %(prefixed)s::bool OR (jsonb_typeof(value) = 'string' AND starts_with(value #>> '{}', %(prefix)s)))
        AND octet_length(value #>> '{}') <= %(longest)s
    GROUP BY value::text
    ORDER BY spans DESC, value
    LIMIT %(limit)s
) found ON true
ORDER BY found.spans DESC, found.value

-- values of a column
WITH newest AS (
    SELECT trace_id, span_id, source_id, timestamp, timestamp_nanos, duration_ns, output_tokens, input_tokens, reported_cost_usd,
        coalesce(attributes -> %(v1)s, CASE WHEN "temperature" IS NOT NULL THEN jsonb_build_object('$double', ("temperature")::text) END) AS own
    FROM llm_traces
    WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s AND service_name = %(v3)s
    ORDER BY timestamp DESC
    LIMIT %(sample)s
), sample AS MATERIALIZED (
    SELECT DISTINCT ON (trace_id, span_id) *
    FROM newest
    ORDER BY trace_id, span_id, timestamp, timestamp_nanos, duration_ns DESC NULLS LAST, output_tokens DESC NULLS LAST,
        input_tokens DESC NULLS LAST, reported_cost_usd DESC NULLS LAST
), valued AS (
    SELECT own AS value
    FROM sample LEFT JOIN telemetry_sources source ON source.tenant = %(tenant)s AND source.source_id = sample.source_id
)
SELECT total.spans, found.value, found.spans
FROM (SELECT count(*) AS spans FROM sample) total
LEFT JOIN (
    SELECT value::text AS value, count(*) AS spans
    FROM valued
    WHERE (jsonb_typeof(value) IN ('string', 'boolean', 'number') OR (jsonb_typeof(value) = 'object' AND value ? '$double'))
        AND (NOT %(prefixed)s::bool OR (jsonb_typeof(value) = 'string' AND starts_with(value #>> '{}', %(prefix)s)))
        AND octet_length(value #>> '{}') <= %(longest)s
    GROUP BY value::text
    ORDER BY spans DESC, value
    LIMIT %(limit)s
) found ON true
ORDER BY found.spans DESC, found.value

-- service graph
SELECT min(timestamp)
FROM (
    SELECT timestamp
    FROM llm_traces
    WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s
        AND is_entry AND parent_span_id IS NOT NULL
    ORDER BY timestamp DESC
    LIMIT %(sample)s
) called

-- service graph
WITH called AS MATERIALIZED (
    SELECT DISTINCT ON (trace_id, span_id) trace_id, span_id, parent_span_id, service_name, status_code, duration_ms
    FROM (
        SELECT trace_id, span_id, parent_span_id, service_name, status_code, duration_ms, timestamp, timestamp_nanos, duration_ns,
            output_tokens, input_tokens, reported_cost_usd
        FROM llm_traces
        WHERE tenant = %(tenant)s AND timestamp >= %(start_time)s AND timestamp < %(end_time)s
            AND is_entry AND parent_span_id IS NOT NULL
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
