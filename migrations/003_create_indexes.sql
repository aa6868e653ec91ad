-- Indexes and comments. Indexes that serve queries begin with tenant; no fact table has a unique one (COPY pays for it,
-- and TimescaleDB's direct compress is switched off by it).

-- migrate:up
CREATE INDEX idx_traces_service_timestamp ON llm_traces (tenant, service_name, timestamp DESC);
CREATE INDEX idx_traces_timestamp ON llm_traces (tenant, timestamp DESC);
CREATE INDEX idx_traces_trace_id ON llm_traces (tenant, trace_id);
CREATE INDEX idx_trace_index_trace_id ON trace_index (tenant, trace_id);

-- Rows arrive in the order of these columns and leave by them: a BRIN index costs COPY next to nothing.
CREATE INDEX idx_ingest_ledger_received_at ON ingest_ledger USING brin (received_at) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX idx_ingest_touched_touched_at ON ingest_touched USING brin (touched_at) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX idx_dead_letters_received_at ON dead_letters (received_at);

COMMENT ON TABLE llm_traces IS 'One row per span.';
COMMENT ON COLUMN llm_traces.tenant IS 'Who the row belongs to; default until tokens name others.';
COMMENT ON COLUMN llm_traces.timestamp IS 'Start of the span, microseconds; timestamp_nanos holds the rest.';
COMMENT ON COLUMN llm_traces.timestamp_nanos IS 'Nanoseconds (0-999) to add to timestamp.';
COMMENT ON COLUMN llm_traces.flags IS 'OTLP span flags as sent.';
COMMENT ON COLUMN llm_traces.is_entry IS 'A request to this service: no parent, a remote parent, or kind SERVER or CONSUMER.';
COMMENT ON COLUMN llm_traces.service_name IS 'service.name, at most 512 bytes; the whole value is in telemetry_sources.resource.';
COMMENT ON COLUMN llm_traces.span_kind IS 'OTLP SpanKind: 0 unspecified, 1 internal, 2 server, 3 client, 4 producer, 5 consumer.';
COMMENT ON COLUMN llm_traces.duration_ns IS 'Nanoseconds from start to end, exact; NULL when the end is 0.';
COMMENT ON COLUMN llm_traces.duration_ms IS 'Milliseconds from start to end; NULL unless 0 < start <= end.';
COMMENT ON COLUMN llm_traces.status_code IS 'OTLP StatusCode: 0 unset, 1 ok, 2 error.';
COMMENT ON COLUMN llm_traces.source_id IS 'Resource and scope: telemetry_sources (tenant, source_id).';
COMMENT ON COLUMN llm_traces.input_tokens IS 'Tokens, cached ones included; NULL when not reported.';
COMMENT ON COLUMN llm_traces.output_tokens IS 'Tokens, reasoning ones included; NULL when not reported.';
COMMENT ON COLUMN llm_traces.usage_role IS 'call, rollup, carrier, duplicate or none: whether the usage of this row is to be summed.';
COMMENT ON COLUMN llm_traces.reported_cost_usd IS 'US dollars, as the client reported.';
COMMENT ON COLUMN llm_traces.ttft_ms IS 'Milliseconds to the first chunk.';
COMMENT ON COLUMN llm_traces.attributes IS 'Span attributes that are not promoted to a column.';
COMMENT ON TABLE trace_index IS 'One row per trace and request: between which times its spans lie. Append-only.';
COMMENT ON COLUMN trace_index.timestamp IS 'First start of its spans in the request.';
COMMENT ON COLUMN trace_index.last_timestamp IS 'Last start of its spans in the request.';
COMMENT ON TABLE ingest_touched IS 'Queue of what changed: one row per request and hour of its records.';
COMMENT ON COLUMN ingest_touched.hour IS 'Start of the hour the records lie in.';
COMMENT ON TABLE telemetry_sources IS 'Resource, scope and schema URLs that rows share by source_id.';
COMMENT ON COLUMN telemetry_sources.source_id IS 'BLAKE2b-128 over the other columns but last_seen.';
COMMENT ON COLUMN telemetry_sources.last_seen IS 'Day (UTC) of the last request that carried it.';
COMMENT ON TABLE ingest_ledger IS 'One row per committed request; a retry of the same bytes gets the same answer. Kept for LEDGER_RETENTION.';
COMMENT ON COLUMN ingest_ledger.digest IS 'BLAKE2b-128 over tenant, signal and the request after decompression.';
COMMENT ON COLUMN ingest_ledger.answer IS 'The Export*ServiceResponse that was sent.';
COMMENT ON TABLE dead_letters IS 'Requests that PostgreSQL refused: to look at and to send again.';
COMMENT ON COLUMN dead_letters.payload IS 'The request as received, after decompression.';

-- migrate:down
DROP INDEX
    idx_traces_service_timestamp, idx_traces_timestamp, idx_traces_trace_id, idx_trace_index_trace_id,
    idx_ingest_ledger_received_at, idx_ingest_touched_touched_at, idx_dead_letters_received_at;
