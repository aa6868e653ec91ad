-- Plain PostgreSQL: the facts partitioned by time. Partitions themselves are made by storage/engine, ahead and on demand.

-- migrate:up
CREATE TABLE llm_traces (LIKE shape_llm_traces INCLUDING ALL) PARTITION BY RANGE (timestamp);
CREATE TABLE trace_index (LIKE shape_trace_index INCLUDING ALL) PARTITION BY RANGE (timestamp);
DROP TABLE shape_llm_traces, shape_trace_index;

-- migrate:down
CREATE TABLE shape_llm_traces (LIKE llm_traces INCLUDING ALL);
CREATE TABLE shape_trace_index (LIKE trace_index INCLUDING ALL);
DROP TABLE llm_traces, trace_index;
