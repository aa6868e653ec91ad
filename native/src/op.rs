//! The closed list of ops: how a column is filled, and the type that this gives.

macro_rules! ops {
    ($(#[$about:meta])* $name:ident: $($variant:ident = $op:literal: $type:literal,)*) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum $name { $($variant,)* }

        impl $name {
            /// The op of that name.
            pub fn parse(op: &str) -> Option<Self> {
                match op { $($op => Some($name::$variant),)* _ => None }
            }

            fn type_of(op: &str) -> Option<&'static str> {
                match op { $($op => Some($type),)* _ => None }
            }
        }
    };
}

ops! { /// What the source of a record decides.
SourceOp:
    Tenant = "request.tenant": "text",
    ReceivedDate = "request.received_date": "date",
    ReceivedAt = "request.received_at": "timestamptz",
    Id = "source.id": "uuid",
    ServiceName = "source.service_name": "text",
    ResourceAttributes = "resource.attributes": "jsonb",
    ResourceDroppedAttributesCount = "resource.dropped_attributes_count": "int8",
    ResourceSchemaUrl = "resource.schema_url": "text",
    ResourceEntityRefs = "resource.entity_refs": "jsonb",
    ScopeName = "scope.name": "text",
    ScopeVersion = "scope.version": "text",
    ScopeAttributes = "scope.attributes": "jsonb",
    ScopeDroppedAttributesCount = "scope.dropped_attributes_count": "int8",
    ScopeSchemaUrl = "scope.schema_url": "text",
}

ops! { /// What a span decides.
SpanOp:
    StartUs = "span.start_us": "timestamptz",
    StartNanos = "span.start_nanos": "int2",
    TraceId = "span.trace_id": "uuid",
    SpanId = "span.span_id": "bytea",
    ParentSpanId = "span.parent_span_id": "bytea",
    TraceState = "span.trace_state": "text",
    Flags = "span.flags": "int8",
    IsEntry = "span.is_entry": "bool",
    Name = "span.name": "text",
    Kind = "span.kind": "int2",
    DurationNs = "span.duration_ns": "int8",
    DurationMs = "span.duration_ms": "float8",
    StatusCode = "span.status_code": "int2",
    StatusMessage = "span.status_message": "text",
    Attributes = "span.attributes": "jsonb",
    Events = "span.events": "jsonb",
    Links = "span.links": "jsonb",
    DroppedAttributesCount = "span.dropped_attributes_count": "int8",
    DroppedEventsCount = "span.dropped_events_count": "int8",
    DroppedLinksCount = "span.dropped_links_count": "int8",
    UsageRole = "llm.usage_role": "text",
}

ops! { /// What an item of content decides.
ContentOp:
    TimeUs = "content.time_us": "timestamptz",
    TraceId = "content.trace_id": "uuid",
    SpanId = "content.span_id": "bytea",
    LogId = "content.log_id": "uuid",
    Kind = "content.kind": "text",
    Carrier = "content.carrier": "text",
    EventIndex = "content.event_index": "int8",
    Attribute = "content.attribute": "text",
    IsJson = "content.is_json": "bool",
    Body = "content.body": "text",
    OriginalLength = "content.original_length": "int8",
}

ops! { /// What a log record decides.
LogOp:
    TimeUs = "log.time_us": "timestamptz",
    TimeNanos = "log.time_nanos": "int2",
    TimeSource = "log.time_source": "int2",
    ObservedUs = "log.observed_us": "timestamptz",
    ObservedNanos = "log.observed_nanos": "int2",
    Id = "log.id": "uuid",
    TraceId = "log.trace_id": "uuid",
    SpanId = "log.span_id": "bytea",
    Level = "log.level": "text",
    SeverityNumber = "log.severity_number": "int2",
    SeverityText = "log.severity_text": "text",
    Message = "log.message": "text",
    Body = "log.body": "jsonb",
    EventName = "log.event_name": "text",
    Attributes = "log.attributes": "jsonb",
    Flags = "log.flags": "int8",
    DroppedAttributesCount = "log.dropped_attributes_count": "int8",
}

ops! { /// What a data point decides.
PointOp:
    TimeUs = "point.time_us": "timestamptz",
    TimeNanos = "point.time_nanos": "int2",
    StartUs = "point.start_us": "timestamptz",
    StartNanos = "point.start_nanos": "int2",
    Value = "point.value": "float8",
    IntValue = "point.int_value": "int8",
    Count = "point.count": "int8",
    Sum = "point.sum": "float8",
    Min = "point.min": "float8",
    Max = "point.max": "float8",
    Bounds = "point.bounds": "float8[]",
    BucketCounts = "point.bucket_counts": "int8[]",
    Distribution = "point.distribution": "jsonb",
    Exemplars = "point.exemplars": "jsonb",
    TraceId = "point.trace_id": "uuid",
    Flags = "point.flags": "int8",
    SeriesId = "series.id": "uuid",
}

ops! { /// What a Metric decides for all of its points, and the attributes of a point for its series.
MetricOp:
    Name = "metric.name": "text",
    Type = "metric.type": "text",
    Unit = "metric.unit": "text",
    Description = "metric.description": "text",
    Temporality = "metric.temporality": "int2",
    IsMonotonic = "metric.is_monotonic": "bool",
    Metadata = "metric.metadata": "jsonb",
    Labels = "series.labels": "jsonb",
}

ops! { /// What sums up a request.
BesideOp:
    Tenant = "request.tenant": "text",
    ReceivedAt = "request.received_at": "timestamptz",
    TraceId = "trace.id": "uuid",
    TraceFirstUs = "trace.first_us": "timestamptz",
    TraceLastUs = "trace.last_us": "timestamptz",
    Signal = "touched.signal": "text",
    Hour = "touched.hour": "timestamptz",
    TraceIds = "touched.trace_ids": "uuid[]",
}

/// Columns that no codec fills.
pub const IGNORED: &str = "none";

/// The type of an op without argument, None when it is not known.
pub fn type_of(op: &str) -> Option<&'static str> {
    SourceOp::type_of(op)
        .or_else(|| SpanOp::type_of(op))
        .or_else(|| ContentOp::type_of(op))
        .or_else(|| LogOp::type_of(op))
        .or_else(|| PointOp::type_of(op))
        .or_else(|| MetricOp::type_of(op))
        .or_else(|| BesideOp::type_of(op))
}
