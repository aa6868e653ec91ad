-- What is drawn anew of each span; the other columns are those of the pool.
began + later * slower AS timestamp
(random() * 999)::int2 AS timestamp_nanos
new_id AS trace_id
substr(sha256(uuid_send(new_id) || pool.span_id), 1, 8) AS span_id
substr(sha256(uuid_send(new_id) || pool.parent_span_id), 1, 8) AS parent_span_id
(pool.duration_ns * slower)::int8 AS duration_ns
(pool.duration_ns * slower)::int8 / 1e6::float8 AS duration_ms
(pool.input_tokens * longer)::int8 AS input_tokens
(pool.output_tokens * longer)::int8 AS output_tokens
pool.ttft_ms * slower AS ttft_ms
