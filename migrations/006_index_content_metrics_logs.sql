-- Indexes and comments of content, metrics and logs. Most log records and nearly all data points belong to no trace, and most
-- content to no log record: partial indexes cost them nothing. Content is read span by span, and a trace may have thousands:
-- hence its span_id in the index.

-- migrate:up
CREATE INDEX idx_content_log_id ON llm_content (tenant, log_id) WHERE log_id IS NOT NULL;
CREATE INDEX idx_content_trace_span ON llm_content (tenant, trace_id, span_id) WHERE trace_id IS NOT NULL;
CREATE INDEX idx_metrics_name_timestamp ON llm_metrics (tenant, metric_name, timestamp DESC);
CREATE INDEX idx_metrics_series_timestamp ON llm_metrics (tenant, series_id, timestamp DESC);
CREATE INDEX idx_metrics_trace_id ON llm_metrics (tenant, trace_id) WHERE trace_id IS NOT NULL;
CREATE INDEX idx_logs_service_timestamp ON llm_logs (tenant, service_name, timestamp DESC);
CREATE INDEX idx_logs_timestamp ON llm_logs (tenant, timestamp DESC);
CREATE INDEX idx_logs_trace_id ON llm_logs (tenant, trace_id) WHERE trace_id IS NOT NULL;
-- Here a name is whole, of any length, and a btree entry holds 2,704 bytes.
CREATE INDEX idx_metric_labels_name ON metric_labels (tenant, left(metric_name, 128));

COMMENT ON TABLE llm_content IS
    'What was said: one row per prompt, completion, tool call or document. Kept for CONTENT_RETENTION.';
COMMENT ON COLUMN llm_content.timestamp IS 'Start of the span or time of the log record that carries it.';
COMMENT ON COLUMN llm_content.log_id IS 'The log record that carries it: llm_logs (tenant, timestamp, id); NULL for a span.';
COMMENT ON COLUMN llm_content.kind IS
    'system_instructions, input, output, tool_definitions, tool_arguments, tool_result or documents.';
COMMENT ON COLUMN llm_content.carrier IS
    'Where attribute stood: span_attribute, span_event or log_attribute; log_body for a body, which has none.';
COMMENT ON COLUMN llm_content.event_index IS 'Place of the event in the span, from 0; NULL for other carriers.';
COMMENT ON COLUMN llm_content.attribute IS
    'Its key. One that ends in .# or .* stands for a family: body is an object of attributes.';
COMMENT ON COLUMN llm_content.is_json IS 'Whether body is the JSON of a value that was no string.';
COMMENT ON COLUMN llm_content.original_length IS 'Bytes of body before it was cut at CONTENT_MAX_BYTES.';
COMMENT ON TABLE llm_metrics IS 'One row per data point.';
COMMENT ON COLUMN llm_metrics.timestamp IS 'Time of the point, microseconds; timestamp_nanos holds the rest.';
COMMENT ON COLUMN llm_metrics.start_timestamp IS 'Start of its interval; NULL when not reported.';
COMMENT ON COLUMN llm_metrics.series_id IS 'Metric, attributes and source: metric_labels (tenant, series_id).';
COMMENT ON COLUMN llm_metrics.value IS 'Of a gauge or sum; NULL for a histogram or summary, and when no value was recorded.';
COMMENT ON COLUMN llm_metrics.int_value IS 'The exact value of a point that is an integer.';
COMMENT ON COLUMN llm_metrics.bounds IS 'Upper bounds (inclusive) of the buckets of a histogram but the last.';
COMMENT ON COLUMN llm_metrics.bucket_counts IS 'Measurements in each bucket, one more than bounds.';
COMMENT ON COLUMN llm_metrics.distribution IS 'Buckets of an exponential histogram, quantiles of a summary.';
COMMENT ON COLUMN llm_metrics.trace_id IS 'Trace of the first exemplar that has one.';
COMMENT ON COLUMN llm_metrics.flags IS 'OTLP data point flags; 1: no recorded value.';
COMMENT ON TABLE llm_logs IS 'One row per log record.';
COMMENT ON COLUMN llm_logs.timestamp IS 'Time of the record, see time_source, microseconds; timestamp_nanos holds the rest.';
COMMENT ON COLUMN llm_logs.time_source IS 'What timestamp is: 0 its time, 1 the observed time, 2 when it was received.';
COMMENT ON COLUMN llm_logs.id IS 'UUIDv7 of time and request: the same for a retry of the request.';
COMMENT ON COLUMN llm_logs.level IS
    'TRACE, DEBUG, INFO, WARN, ERROR or FATAL, from severity_number, else from severity_text; empty when neither says.';
COMMENT ON COLUMN llm_logs.message IS 'The body if it is a string and no content.';
COMMENT ON COLUMN llm_logs.body IS 'The body if it is anything else and no content.';
COMMENT ON COLUMN llm_logs.source_id IS 'Resource and scope: telemetry_sources (tenant, source_id).';
COMMENT ON TABLE metric_labels IS 'Metric, attributes and source that data points share by series_id.';
COMMENT ON COLUMN metric_labels.series_id IS 'BLAKE2b-128 over the other columns but last_seen.';
COMMENT ON COLUMN metric_labels.metric_type IS 'gauge, sum, histogram, exponential_histogram or summary.';
COMMENT ON COLUMN metric_labels.temporality IS '0 unspecified, 1 delta, 2 cumulative; NULL for a gauge or summary.';
COMMENT ON COLUMN metric_labels.labels IS 'Attributes of the data points.';
COMMENT ON COLUMN metric_labels.last_seen IS 'Day (UTC) of the last request that carried it.';

-- migrate:down
DROP INDEX
    idx_content_log_id, idx_content_trace_span, idx_metrics_name_timestamp, idx_metrics_series_timestamp, idx_metrics_trace_id,
    idx_logs_service_timestamp, idx_logs_timestamp, idx_logs_trace_id, idx_metric_labels_name;
