-- TimescaleDB: content, metrics and logs as hypertables, as 002 does it for traces.

-- migrate:up
CREATE TABLE llm_content (LIKE shape_llm_content INCLUDING ALL);
CREATE TABLE llm_metrics (LIKE shape_llm_metrics INCLUDING ALL);
CREATE TABLE llm_logs (LIKE shape_llm_logs INCLUDING ALL);
SELECT create_hypertable('llm_content', by_range('timestamp', INTERVAL '1 day'), create_default_indexes => false);
SELECT create_hypertable('llm_metrics', by_range('timestamp', INTERVAL '1 day'), create_default_indexes => false);
SELECT create_hypertable('llm_logs', by_range('timestamp', INTERVAL '1 day'), create_default_indexes => false);
DROP TABLE shape_llm_content, shape_llm_metrics, shape_llm_logs;

-- migrate:down
CREATE TABLE shape_llm_content (LIKE llm_content INCLUDING ALL);
CREATE TABLE shape_llm_metrics (LIKE llm_metrics INCLUDING ALL);
CREATE TABLE shape_llm_logs (LIKE llm_logs INCLUDING ALL);
DROP TABLE llm_content;
DROP TABLE llm_metrics;
DROP TABLE llm_logs;
