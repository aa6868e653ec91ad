-- Content, metrics and logs as `tables/` declares them. What an engine partitions is a shape here; the engine's 005 makes
-- the table.

-- migrate:up
CREATE TABLE shape_llm_content (
    tenant          text        NOT NULL,
    timestamp       timestamptz NOT NULL,
    service_name    text        NOT NULL,
    trace_id        uuid,
    span_id         bytea,
    log_id          uuid,
    kind            text        NOT NULL,
    carrier         text        NOT NULL,
    event_index     int8,
    attribute       text        NOT NULL,
    is_json         bool        NOT NULL,
    body            text        NOT NULL,
    original_length int8        NOT NULL
);

CREATE TABLE shape_llm_metrics (
    tenant                text        NOT NULL,
    timestamp             timestamptz NOT NULL,
    timestamp_nanos       int2        NOT NULL,
    start_timestamp       timestamptz,
    start_timestamp_nanos int2,
    series_id             uuid        NOT NULL,
    metric_name           text        NOT NULL,
    service_name          text        NOT NULL,
    value                 float8,
    int_value             int8,
    count                 int8,
    sum                   float8,
    min                   float8,
    max                   float8,
    bounds                float8[],
    bucket_counts         int8[],
    distribution          jsonb,
    exemplars             jsonb,
    trace_id              uuid,
    flags                 int8        NOT NULL
);

CREATE TABLE shape_llm_logs (
    tenant                   text        NOT NULL,
    timestamp                timestamptz NOT NULL,
    timestamp_nanos          int2        NOT NULL,
    time_source              int2        NOT NULL,
    observed_timestamp       timestamptz,
    observed_timestamp_nanos int2,
    id                       uuid        NOT NULL,
    trace_id                 uuid,
    span_id                  bytea,
    service_name             text        NOT NULL,
    level                    text        NOT NULL,
    severity_number          int2        NOT NULL,
    severity_text            text,
    event_name               text,
    message                  text,
    body                     jsonb,
    source_id                uuid        NOT NULL,
    attributes               jsonb       NOT NULL,
    flags                    int8        NOT NULL,
    dropped_attributes_count int8        NOT NULL
);

CREATE TABLE metric_labels (
    tenant       text  NOT NULL,
    series_id    uuid  NOT NULL,
    service_name text  NOT NULL,
    metric_name  text  NOT NULL,
    metric_type  text  NOT NULL,
    unit         text  NOT NULL,
    description  text  NOT NULL,
    temporality  int2,
    is_monotonic bool,
    metadata     jsonb,
    labels       jsonb NOT NULL,
    source_id    uuid  NOT NULL,
    last_seen    date  NOT NULL,
    PRIMARY KEY (tenant, series_id)
);

-- migrate:down
DROP TABLE metric_labels;
DROP TABLE shape_llm_logs;
DROP TABLE shape_llm_metrics;
DROP TABLE shape_llm_content;
