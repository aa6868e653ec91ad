//! A Metric on the wire: what describes it, which kind of data it holds, and its data points one by one.
//!
//! A Metric may hold a million points and is never parsed as a whole. Of the kinds of data (a oneof) the last one counts and
//! clears what came before; data of the same kind in a row merges; of scalars the last value counts.

use std::borrow::Cow;

use crate::wire::{INSIDE_GROUP, Malformed, fields, tag, varint};

/// The kinds of data, by tag.
pub const GAUGE: u32 = tag(5);
/// See GAUGE.
pub const SUM: u32 = tag(7);
/// See GAUGE.
pub const HISTOGRAM: u32 = tag(9);
/// See GAUGE.
pub const EXPONENTIAL_HISTOGRAM: u32 = tag(10);
/// See GAUGE.
pub const SUMMARY: u32 = tag(11);
/// The kind of a Metric without data, or with data of a kind that is not known.
pub const NO_DATA: u32 = 0;
/// A data point, in data of any kind.
pub const POINT: u32 = tag(1);

const TEMPORALITY: u32 = 2 << 3;
const IS_MONOTONIC: u32 = 3 << 3;

/// A Metric: `head` is it without its data; its data of that kind lies from `start` on.
pub struct Metric<'a> {
    /// The tag of its data.
    pub kind: u32,
    /// Bytes of a Metric.
    pub head: Cow<'a, [u8]>,
    start: usize,
}

/// What data says beside its points.
pub struct DataHead {
    /// As it came.
    pub temporality: i32,
    /// As it came.
    pub is_monotonic: bool,
}

/// The Metric in `message`; `step` is asked after every field whether to go on.
pub fn read<'a>(message: &'a [u8], step: &mut dyn FnMut() -> bool) -> Result<Metric<'a>, Malformed> {
    let mut found = Metric { kind: NO_DATA, head: Cow::Borrowed(&[]), start: 0 };
    for field in fields(message) {
        let field = field?;
        match field.tag {
            0x0a | 0x12 | 0x1a | 0x62 => {
                // name, description, unit, metadata
                let whole = message.get(field.start..field.end).unwrap_or_default();
                if found.head.is_empty() {
                    found.head = Cow::Borrowed(whole);
                } else {
                    found.head.to_mut().extend_from_slice(whole);
                }
            }
            kind @ (GAUGE | SUM | HISTOGRAM | EXPONENTIAL_HISTOGRAM | SUMMARY) if kind != found.kind => {
                found.kind = kind;
                found.start = field.start;
            }
            _ => {}
        }
        if !step() {
            break;
        }
    }
    Ok(found)
}

/// The fields of the Metric's data, until `visit` says false; fields around the data as INSIDE_GROUP, to be counted.
pub fn data_fields<'a>(
    message: &'a [u8],
    metric: &Metric<'a>,
    visit: &mut dyn FnMut(u32, &'a [u8]) -> Result<bool, Malformed>,
) -> Result<bool, Malformed> {
    if metric.kind == NO_DATA {
        return Ok(true);
    }
    for field in fields(message.get(metric.start..).unwrap_or_default()) {
        let field = field?;
        if !visit(INSIDE_GROUP, field.value)? {
            return Ok(false);
        }
        if field.tag == metric.kind {
            for inner in fields(field.value) {
                let inner = inner?;
                if !visit(inner.tag, inner.value)? {
                    return Ok(false);
                }
            }
        }
    }
    Ok(true)
}

/// What the Metric's data says beside its points, as if it were a Sum.
pub fn read_data_head<'a>(message: &'a [u8], metric: &Metric<'a>) -> Result<DataHead, Malformed> {
    let mut head = DataHead { temporality: 0, is_monotonic: false };
    data_fields(message, metric, &mut |tag, value| {
        match tag {
            TEMPORALITY => head.temporality = varint(value, 0)?.0 as u32 as i32,
            IS_MONOTONIC => head.is_monotonic = varint(value, 0)?.0 as u64 != 0,
            _ => {}
        }
        Ok(true)
    })?;
    Ok(head)
}
