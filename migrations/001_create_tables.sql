-- Tables as `tables/` declares them. What an engine partitions is a shape here; the engine's 002 makes the table.

-- migrate:up
CREATE TABLE shape_llm_traces (
    tenant                   text        NOT NULL,
    timestamp                timestamptz NOT NULL,
    timestamp_nanos          int2        NOT NULL,
    trace_id                 uuid        NOT NULL,
    span_id                  bytea       NOT NULL,
    parent_span_id           bytea,
    trace_state              text,
    flags                    int8        NOT NULL,
    is_entry                 bool        NOT NULL,
    service_name             text        NOT NULL,
    span_name                text        NOT NULL,
    span_kind                int2        NOT NULL,
    duration_ns              int8,
    duration_ms              float8,
    status_code              int2        NOT NULL,
    status_message           text,
    source_id                uuid        NOT NULL,
    provider                 text,
    operation                text,
    request_model            text,
    response_model           text,
    response_id              text,
    service_tier             text,
    input_tokens             int8,
    output_tokens            int8,
    cache_read_tokens        int8,
    cache_write_tokens       int8,
    reasoning_tokens         int8,
    usage_role               text        NOT NULL,
    reported_cost_usd        float8,
    ttft_ms                  float8,
    is_streaming             bool,
    finish_reasons           text[],
    conversation_id          text,
    user_id                  text,
    agent_name               text,
    tool_name                text,
    error_type               text,
    temperature              float8,
    top_p                    float8,
    max_tokens               int8,
    prompt_name              text,
    prompt_version           text,
    environment              text,
    attributes               jsonb       NOT NULL,
    events                   jsonb,
    links                    jsonb,
    dropped_attributes_count int8        NOT NULL,
    dropped_events_count     int8        NOT NULL,
    dropped_links_count      int8        NOT NULL
);

CREATE TABLE shape_trace_index (
    tenant         text        NOT NULL,
    timestamp      timestamptz NOT NULL,
    last_timestamp timestamptz NOT NULL,
    trace_id       uuid        NOT NULL
);

CREATE TABLE ingest_touched (
    tenant     text        NOT NULL,
    signal     text        NOT NULL,
    hour       timestamptz NOT NULL,
    trace_ids  uuid[]      NOT NULL,
    touched_at timestamptz NOT NULL
);

CREATE TABLE telemetry_sources (
    tenant                            text  NOT NULL,
    source_id                         uuid  NOT NULL,
    service_name                      text  NOT NULL,
    resource                          jsonb NOT NULL,
    resource_dropped_attributes_count int8  NOT NULL,
    resource_schema_url               text  NOT NULL,
    entity_refs                       jsonb,
    scope_name                        text  NOT NULL,
    scope_version                     text  NOT NULL,
    scope_attributes                  jsonb NOT NULL,
    scope_dropped_attributes_count    int8  NOT NULL,
    scope_schema_url                  text  NOT NULL,
    last_seen                         date  NOT NULL,
    PRIMARY KEY (tenant, source_id)
);

CREATE TABLE ingest_ledger (
    tenant      text        NOT NULL,
    signal      text        NOT NULL,
    digest      bytea       NOT NULL,
    received_at timestamptz NOT NULL,
    answer      bytea       NOT NULL,
    PRIMARY KEY (tenant, signal, digest)
);

CREATE TABLE dead_letters (
    tenant      text        NOT NULL,
    signal      text        NOT NULL,
    digest      bytea       NOT NULL,
    received_at timestamptz NOT NULL,
    error       text        NOT NULL,
    payload     bytea       NOT NULL
);

-- migrate:down
DROP TABLE dead_letters;
DROP TABLE ingest_ledger;
DROP TABLE telemetry_sources;
DROP TABLE ingest_touched;
DROP TABLE shape_trace_index;
DROP TABLE shape_llm_traces;
