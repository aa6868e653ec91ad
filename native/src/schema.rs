//! The messages of OTLP as far as their size is measured: which fields are repeated, what is text, what leads further down.

/// What an occurrence of a field holds.
#[derive(Clone, Copy)]
pub enum Holds {
    /// A string that becomes JSON.
    Text,
    /// Bytes that become JSON.
    Bytes,
    /// A string or bytes that become a column.
    Column,
    /// A message.
    Message(&'static Schema),
    /// A number.
    Number,
    /// Several numbers in one piece: varints.
    PackedVarints,
    /// The same: eight bytes each.
    PackedFixed64,
}

/// A field by its tag.
#[derive(Clone, Copy)]
pub struct Field {
    /// `number << 3 | wire type`.
    pub tag: u32,
    /// How many values one occurrence adds.
    pub values: u64,
    /// What it holds.
    pub holds: Holds,
}

/// A message type. Fields that are not in it add nothing.
pub struct Schema(pub &'static [Field]);

const fn one(number: u32, holds: Holds) -> Field {
    Field { tag: number << 3 | 2, values: 0, holds }
}

const fn many(number: u32, holds: Holds) -> Field {
    Field { tag: number << 3 | 2, values: 1, holds }
}

const fn numbers(number: u32, wire_type: u32) -> Field {
    Field { tag: number << 3 | wire_type, values: 1, holds: Holds::Number }
}

use Holds::{Bytes, Column, Message, PackedFixed64, PackedVarints, Text};

static ANY_VALUE: Schema =
    Schema(&[one(1, Text), one(5, Message(&ARRAY_VALUE)), one(6, Message(&KEY_VALUE_LIST)), one(7, Bytes)]);
static ARRAY_VALUE: Schema = Schema(&[many(1, Message(&ANY_VALUE))]);
static KEY_VALUE_LIST: Schema = Schema(&[many(1, Message(&KEY_VALUE))]);
static KEY_VALUE: Schema = Schema(&[one(1, Text), one(2, Message(&ANY_VALUE))]);
static EVENT: Schema = Schema(&[one(2, Text), many(3, Message(&KEY_VALUE))]);
static LINK: Schema = Schema(&[one(1, Bytes), one(2, Bytes), one(3, Text), many(4, Message(&KEY_VALUE))]);
static STATUS: Schema = Schema(&[one(2, Text)]);
static ENTITY_REF: Schema = Schema(&[one(1, Text), one(2, Text), many(3, Text), many(4, Text)]);
static EXEMPLAR: Schema = Schema(&[many(7, Message(&KEY_VALUE)), one(4, Bytes), one(5, Bytes)]);
static BUCKETS: Schema = Schema(&[numbers(2, 0), one(2, PackedVarints)]);
static QUANTILE: Schema = Schema(&[]);

/// opentelemetry.proto.trace.v1.Span
pub static SPAN: Schema = Schema(&[
    one(1, Column),
    one(2, Column),
    one(3, Column),
    one(4, Column),
    one(5, Column),
    many(9, Message(&KEY_VALUE)),
    many(11, Message(&EVENT)),
    many(13, Message(&LINK)),
    one(15, Message(&STATUS)),
]);
/// opentelemetry.proto.logs.v1.LogRecord
pub static LOG_RECORD: Schema = Schema(&[
    one(3, Column),
    one(5, Message(&ANY_VALUE)),
    many(6, Message(&KEY_VALUE)),
    one(9, Column),
    one(10, Column),
    one(12, Column),
]);
/// opentelemetry.proto.resource.v1.Resource
pub static RESOURCE: Schema = Schema(&[many(1, Message(&KEY_VALUE)), many(3, Message(&ENTITY_REF))]);
/// opentelemetry.proto.common.v1.InstrumentationScope
pub static SCOPE: Schema = Schema(&[one(1, Column), one(2, Column), many(3, Message(&KEY_VALUE))]);
/// opentelemetry.proto.metrics.v1.Metric without its data
pub static METRIC: Schema = Schema(&[one(1, Column), one(2, Column), one(3, Column), many(12, Message(&KEY_VALUE))]);
/// opentelemetry.proto.metrics.v1.NumberDataPoint
pub static NUMBER_POINT: Schema = Schema(&[many(7, Message(&KEY_VALUE)), many(5, Message(&EXEMPLAR))]);
/// opentelemetry.proto.metrics.v1.HistogramDataPoint
pub static HISTOGRAM_POINT: Schema = Schema(&[
    many(9, Message(&KEY_VALUE)),
    numbers(6, 1),
    one(6, PackedFixed64),
    numbers(7, 1),
    one(7, PackedFixed64),
    many(8, Message(&EXEMPLAR)),
]);
/// opentelemetry.proto.metrics.v1.ExponentialHistogramDataPoint
pub static EXPONENTIAL_POINT: Schema =
    Schema(&[many(1, Message(&KEY_VALUE)), one(8, Message(&BUCKETS)), one(9, Message(&BUCKETS)), many(11, Message(&EXEMPLAR))]);
/// opentelemetry.proto.metrics.v1.SummaryDataPoint
pub static SUMMARY_POINT: Schema = Schema(&[many(7, Message(&KEY_VALUE)), many(6, Message(&QUANTILE))]);
