CREATE TABLE benchmark_logs_pool AS
SELECT *, row_number() OVER () AS number FROM llm_logs WHERE timestamp >= %s::timestamptz AND timestamp < %s::timestamptz;
