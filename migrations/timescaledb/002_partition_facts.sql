-- TimescaleDB: the facts as hypertables. Chunk interval, columnstore and policies are settings: storage/engine applies them.

-- migrate:up
CREATE TABLE llm_traces (LIKE shape_llm_traces INCLUDING ALL);
CREATE TABLE trace_index (LIKE shape_trace_index INCLUDING ALL);
SELECT create_hypertable('llm_traces', by_range('timestamp', INTERVAL '1 day'), create_default_indexes => false);
SELECT create_hypertable('trace_index', by_range('timestamp', INTERVAL '1 day'), create_default_indexes => false);
DROP TABLE shape_llm_traces, shape_trace_index;

-- migrate:down
CREATE TABLE shape_llm_traces (LIKE llm_traces INCLUDING ALL);
CREATE TABLE shape_trace_index (LIKE trace_index INCLUDING ALL);
DROP TABLE llm_traces;
DROP TABLE trace_index;
