"""The tables beside the facts: dimensions, the queue of what changed, the ledger, dead letters."""

from __future__ import annotations

from llm_observatory.tables.column import INDEXED_TEXT_MAX_BYTES, SERVICE_NAME, TENANT, Column, Table

TELEMETRY_SOURCES = Table(
    name="telemetry_sources",
    kind="dimension",
    one_row_per="resource and scope that records share",
    kept="`RETENTION` and a week or so after the last request with it: while a record can name it",
    columns=(
        TENANT,
        Column(
            name="source_id",
            type="uuid",
            op="source.id",
            role="id",
            description="computed from the columns below but `last_seen`",
        ),
        SERVICE_NAME,
        Column(
            name="resource", type="jsonb", op="resource.attributes", role="document", description="attributes of the resource"
        ),
        Column(
            name="resource_dropped_attributes_count", type="int8", op="resource.dropped_attributes_count", description="as sent"
        ),
        Column(name="resource_schema_url", type="text", op="resource.schema_url", description="as sent; `''` if missing"),
        Column(
            name="entity_refs",
            type="jsonb",
            op="resource.entity_refs",
            nullable=True,
            role="document",
            description="entities of the resource; NULL if none",
        ),
        Column(name="scope_name", type="text", op="scope.name", role="label", description="as sent; `''` if missing"),
        Column(name="scope_version", type="text", op="scope.version", role="label", description="as sent; `''` if missing"),
        Column(
            name="scope_attributes", type="jsonb", op="scope.attributes", role="document", description="attributes of the scope"
        ),
        Column(name="scope_dropped_attributes_count", type="int8", op="scope.dropped_attributes_count", description="as sent"),
        Column(name="scope_schema_url", type="text", op="scope.schema_url", description="as sent; `''` if missing"),
        Column(name="last_seen", type="date", op="request.received_date", description="day (UTC) of the last request with it"),
    ),
)
"""Who sent it. `source_id` is computed from all columns but itself and `last_seen`, so it is never looked up."""

METRIC_LABELS = Table(
    name="metric_labels",
    kind="dimension",
    one_row_per="series: the metric and the attributes that data points share",
    kept="the same",
    columns=(
        TENANT,
        Column(
            name="series_id",
            type="uuid",
            op="series.id",
            role="id",
            description="computed from the columns below but `last_seen`",
        ),
        Column(
            name="service_name",
            type="text",
            op="source.service_name",
            role="key",
            max_bytes=INDEXED_TEXT_MAX_BYTES,
            description="`service.name`, at most 512 bytes",
        ),
        Column(
            name="metric_name",
            type="text",
            op="metric.name",
            role="key",
            description="name; the index is on `left(metric_name, 128)`",
        ),
        Column(
            name="metric_type",
            type="text",
            op="metric.type",
            role="label",
            description="`gauge`, `sum`, `histogram`, `exponential_histogram` or `summary`",
        ),
        Column(
            name="unit", type="text", op="metric.unit", role="label", description="UCUM, as `s` or `{token}`; `''` if missing"
        ),
        Column(name="description", type="text", op="metric.description", role="label", description="`''` if missing"),
        Column(
            name="temporality",
            type="int2",
            op="metric.temporality",
            nullable=True,
            role="label",
            description="0 unspecified, 1 delta: since the point before, 2 cumulative: since `start_timestamp`; "
            "NULL for a gauge or summary",
        ),
        Column(
            name="is_monotonic",
            type="bool",
            op="metric.is_monotonic",
            nullable=True,
            role="label",
            description="of a sum: whether it only grows; else NULL",
        ),
        Column(
            name="metadata",
            type="jsonb",
            op="metric.metadata",
            nullable=True,
            role="document",
            description="of the metric; NULL if none",
        ),
        Column(name="labels", type="jsonb", op="series.labels", role="document", description="attributes of its points"),
        Column(name="source_id", type="uuid", op="source.id", role="id", description="row of `telemetry_sources`"),
        Column(name="last_seen", type="date", op="request.received_date", description="day (UTC) of the last request with it"),
    ),
)
"""What a data point is a value of: metric, attributes and source. `series_id` is computed from all columns but itself and
`last_seen`; attributes are sorted by key at every level, as those of sources are, for their order says nothing."""

INGEST_TOUCHED = Table(
    name="ingest_touched",
    kind="queue",
    one_row_per="request and hour: what changed",
    kept="a minute: maintenance collects it",
    columns=(
        TENANT,
        Column(
            name="signal",
            type="text",
            op="touched.signal",
            description="`traces`, `metrics` or `logs`; `corrections` where rows of `usage_corrections` changed",
        ),
        Column(name="hour", type="timestamptz", op="touched.hour", role="time", description="hour (UTC) of the records"),
        Column(name="trace_ids", type="uuid[]", op="touched.trace_ids", description="of its spans; else empty"),
        Column(name="touched_at", type="timestamptz", op="request.received_at", description="when the request was received"),
    ),
)
"""What changed: one row per request and hour of its records. `trace_ids` are those of spans; empty for all others."""

ROLLUP_PENDING = Table(
    name="rollup_pending",
    kind="queue",
    one_row_per="hour that is to be summed up",
    kept="until it is; where rollups are continuous aggregates, of `usage_corrections` only",
    columns=(
        TENANT,
        Column(name="signal", type="text", op="none", description="whose rollups: `traces`, `metrics` or `corrections`"),
        Column(name="hour", type="timestamptz", op="none", role="time", description="hour (UTC) that is to be summed up"),
        Column(name="pending_since", type="timestamptz", op="none", description="when the first of the changes was made"),
    ),
)
"""Hours whose rollups are out of date, where rollups are tables: what was collected from `ingest_touched`."""

INGEST_LEDGER = Table(
    name="ingest_ledger",
    kind="ledger",
    one_row_per="committed request: its digest and answer",
    kept="`LEDGER_RETENTION`",
    columns=(
        TENANT,
        Column(name="signal", type="text", op="none", description="`traces`, `metrics` or `logs`"),
        Column(name="digest", type="bytea", op="none", role="id", description="of the request's bytes"),
        Column(name="received_at", type="timestamptz", op="none", role="time", description="when the request came"),
        Column(name="answer", type="bytea", op="none", description="what the client was told, as protobuf"),
    ),
)
"""One row per committed request: its digest and the answer it got. Written with its rows; a retry reads the answer."""

LOG_FEED = Table(
    name="log_feed",
    kind="queue",
    one_row_per="committed request of log records",
    kept="ten minutes: what `TailLogs` follows",
    columns=(
        TENANT,
        Column(name="digest", type="bytea", op="none", role="id", description="of the request's bytes"),
        Column(name="records", type="int8", op="none", description="log records that it held, refused ones included"),
        Column(name="received_at", type="timestamptz", op="none", description="when the request came"),
        Column(name="min_time", type="timestamptz", op="none", description="the earliest `timestamp` of its records"),
        Column(name="max_time", type="timestamptz", op="none", description="the latest of them"),
        Column(name="written_at", type="timestamptz", op="none", role="time", description="when its transaction wrote it"),
    ),
)
"""One row per committed request of log records, kept for minutes: who follows them learns of it which rows are new."""

SEARCH_FILTERS = Table(
    name="search_filters",
    kind="queue",
    one_row_per="hour that is over: which attribute values and words its records can hold",
    kept="`RETENTION`; may be emptied at any time",
    columns=(
        TENANT,
        Column(name="signal", type="text", op="none", description="`traces` or `logs`"),
        Column(name="hour", type="timestamptz", op="none", role="time", description="hour (UTC) of the records"),
        Column(name="bits", type="bytea", op="none", description="a Bloom filter; empty bits ask for a new one"),
    ),
)
"""Which attribute values and words an hour can hold. Empty bits ask for new ones, see `storage/touched.py`."""

DEAD_LETTERS = Table(
    name="dead_letters",
    kind="ledger",
    one_row_per="request that PostgreSQL refused",
    kept="`RETENTION`, the newest 10 000 and 1 GiB at most",
    columns=(
        TENANT,
        Column(name="signal", type="text", op="none", description="`traces`, `metrics` or `logs`"),
        Column(name="digest", type="bytea", op="none", role="id", description="of the request's bytes"),
        Column(name="received_at", type="timestamptz", op="none", role="time", description="when the request came"),
        Column(name="error", type="text", op="none", description="what PostgreSQL said"),
        Column(
            name="payload",
            type="bytea",
            op="none",
            role="document",
            description="the request as received, after decompression; its first 16 MiB",
        ),
    ),
)
"""Requests that PostgreSQL refused although every rule was kept: for people to look at and to send again."""

MODEL_PRICES = Table(
    name="model_prices",
    kind="price",
    one_row_per="price of a model's tokens, by tier, input size and time",
    kept="always; those of the library until its next version",
    columns=(
        TENANT,
        Column(
            name="source",
            type="text",
            op="none",
            description="`operator`, or the library and its version, as `genai-prices 0.2.3`",
        ),
        Column(
            name="provider",
            type="text",
            op="none",
            description="of the library. Of an operator: as spans have it; `''` stands for any",
        ),
        Column(
            name="model",
            type="text",
            op="none",
            description="of the library. Of an operator: as spans have it; it may end in `*`",
        ),
        Column(
            name="service_tier",
            type="text",
            op="none",
            description="as spans have it; `''`: every tier without a row of its own",
        ),
        Column(
            name="input_band",
            type="int8",
            op="none",
            description="for calls of more input tokens than this (0, or an `input_band` of the rollups), up to the next row",
        ),
        Column(name="valid_from", type="date", op="none", nullable=True, description="first day, of UTC; NULL: always"),
        Column(
            name="valid_to",
            type="date",
            op="none",
            nullable=True,
            description="day after the last, of UTC; NULL: until further notice",
        ),
        Column(
            name="input_usd_per_token",
            type="numeric",
            op="none",
            description="US dollars, of input that no cache had to do with",
        ),
        Column(
            name="cache_read_usd_per_token", type="numeric", op="none", description="US dollars, of input read from a cache"
        ),
        Column(name="cache_write_usd_per_token", type="numeric", op="none", description="US dollars, of input written to it"),
        Column(name="output_usd_per_token", type="numeric", op="none", description="US dollars"),
    ),
)
"""What tokens cost, day by day. Rows of source `operator` win; the others are of one version of genai-prices."""

MODEL_PRICE_NAMES = Table(
    name="model_price_names",
    kind="price",
    one_row_per="rule which names stand for which priced model",
    kept="as above",
    columns=(
        TENANT,
        Column(name="source", type="text", op="none", description="the library and its version"),
        Column(
            name="subject",
            type="text",
            op="none",
            description="what is matched: `provider`, `provider_of_model` (of a model without one) or `model`",
        ),
        Column(
            name="provider",
            type="text",
            op="none",
            description="of which provider's models the rule is; `''` for the other subjects",
        ),
        Column(name="place", type="int8", op="none", description="the first that matches holds"),
        Column(
            name="operator",
            type="text",
            op="none",
            description="`equals`, `starts_with`, `ends_with`, `contains` or `regex`, on names in lower case",
        ),
        Column(name="pattern", type="text", op="none", description="what the name is compared with"),
        Column(name="price_provider", type="text", op="none", description="the provider of `model_prices` that it stands for"),
        Column(name="price_model", type="text", op="none", description="the model there; `''` for the other subjects"),
    ),
)
"""Which priced model a provider and a model stand for, as spans have them."""
