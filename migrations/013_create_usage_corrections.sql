-- What only a whole trace tells about who pays: two spans of one call, a call that sums up others, the usage of a stream that
-- came on a span of its own. Written behind ingest by storage/usage_corrections, and summed with the calls on read.

-- migrate:up
CREATE TABLE usage_pending (
    tenant        text        NOT NULL,
    hour          timestamptz NOT NULL,
    trace_id      uuid        NOT NULL,
    pending_since timestamptz NOT NULL,
    PRIMARY KEY (tenant, hour, trace_id)
);

COMMENT ON TABLE usage_pending IS 'Traces whose spans are to be looked at together, by the hour in which some of them have come.';

CREATE TABLE usage_corrections (
    tenant             text        NOT NULL,
    timestamp          timestamptz NOT NULL,
    timestamp_nanos    int2        NOT NULL,
    trace_id           uuid        NOT NULL,
    span_id            bytea       NOT NULL,
    verdict            text        NOT NULL CHECK (verdict IN ('duplicate', 'rollup', 'merged', 'completed')),
    other_span_id      bytea,
    service_name       text        NOT NULL,
    environment        text,
    provider           text,
    operation          text,
    request_model      text,
    response_model     text,
    service_tier       text,
    input_band         int8        NOT NULL,
    agent_name         text,
    user_id            text,
    conversation_id    text,
    call_count         int8        NOT NULL,
    error_count        int8        NOT NULL,
    unreported_count   int8        NOT NULL,
    input_tokens       numeric,
    fresh_input_tokens numeric,
    output_tokens      numeric,
    cache_read_tokens  numeric,
    cache_write_tokens numeric,
    reasoning_tokens   numeric,
    reported_cost_usd  float8,
    timed_count        int8        NOT NULL,
    duration_ns_sum    numeric,
    duration_buckets   int8[],
    ttft_count         int8        NOT NULL,
    ttft_ms_sum        float8,
    ttft_buckets       int8[],
    PRIMARY KEY (tenant, trace_id, span_id)
);
CREATE INDEX idx_usage_corrections_timestamp ON usage_corrections (tenant, timestamp);
-- For what expires, of all tenants.
CREATE INDEX idx_usage_corrections_expiry ON usage_corrections USING brin (timestamp) WITH (pages_per_range = 32, autosummarize = on);

COMMENT ON TABLE usage_corrections IS 'What is to be added to the calls and their usage so that each call of a provider counts once.';
COMMENT ON COLUMN usage_corrections.timestamp IS 'Start of the span; with it the correction is in the same hour as what it corrects.';
COMMENT ON COLUMN usage_corrections.verdict IS 'duplicate: another span of the same call counts; rollup: sums up the calls below it; merged: a carrier, its usage counts with its call; completed: a call, by the usage of its carrier.';
COMMENT ON COLUMN usage_corrections.other_span_id IS 'The span that counts instead, or the carrier; NULL: several.';
COMMENT ON COLUMN usage_corrections.input_band IS 'Of the input tokens that are corrected.';
COMMENT ON COLUMN usage_corrections.call_count IS 'This and what follows: to be added to the column of this name in llm_usage_hourly; mostly negative.';

-- migrate:down
-- With the rollup that storage/rollups made of it.
DROP VIEW IF EXISTS usage_corrections_daily;
DROP VIEW IF EXISTS usage_corrections_hourly;
DROP TABLE IF EXISTS usage_corrections_daily_state;
DROP TABLE IF EXISTS usage_corrections_hourly_state;
DROP TABLE usage_corrections;
DROP TABLE usage_pending;
