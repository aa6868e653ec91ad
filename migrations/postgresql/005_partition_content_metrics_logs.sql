-- Plain PostgreSQL: content, metrics and logs partitioned by time, as 002 does it for traces.

-- migrate:up
CREATE TABLE llm_content (LIKE shape_llm_content INCLUDING ALL) PARTITION BY RANGE (timestamp);
CREATE TABLE llm_metrics (LIKE shape_llm_metrics INCLUDING ALL) PARTITION BY RANGE (timestamp);
CREATE TABLE llm_logs (LIKE shape_llm_logs INCLUDING ALL) PARTITION BY RANGE (timestamp);
DROP TABLE shape_llm_content, shape_llm_metrics, shape_llm_logs;

-- migrate:down
CREATE TABLE shape_llm_content (LIKE llm_content INCLUDING ALL);
CREATE TABLE shape_llm_metrics (LIKE llm_metrics INCLUDING ALL);
CREATE TABLE shape_llm_logs (LIKE llm_logs INCLUDING ALL);
DROP TABLE llm_content, llm_metrics, llm_logs;
