CREATE TABLE benchmark_pool AS
SELECT *, dense_rank() OVER (ORDER BY trace_id) AS number, timestamp - min(timestamp) OVER (PARTITION BY trace_id) AS later
FROM llm_traces;
CREATE INDEX ON benchmark_pool (number);
ANALYZE benchmark_pool;
TRUNCATE llm_traces, trace_index, ingest_touched, ingest_ledger;
