//! One log record: what is read of it, the rules it must keep, and what each op reads from it.

use std::collections::HashMap;

use bumpalo::Bump;

use crate::accepted::{INT64_MAX, Terms, int2, is_span_id, microseconds, outside_window, remainder, trace_id};
use crate::batch::Id;
use crate::counts::{Counts, ENUM_OUT_OF_RANGE, LOG_ID_DROPPED, Rule, TIME_OUT_OF_RANGE};
use crate::cursor::{Broken, Cursor, DEPTH_MAX, short_text};
use crate::document;
use crate::field;
use crate::key::Keys;
use crate::memory::Shape;
use crate::op::LogOp;
use crate::spec::Spec;
use crate::table::{id_hash, id_of};
use crate::tree::{List, Tree, Value};

const TIME: i16 = 0;
const OBSERVED: i16 = 1;
/// Where the time of a record without any comes from.
pub const RECEIVED: i16 = 2;

const NUMBERS_A_LEVEL: usize = 4;

/// Severity as one of the level names of the logs data model.
pub struct LevelNames {
    levels: Vec<String>,
    by_text: Keys<String>,
}

impl LevelNames {
    /// Those of a spec.
    pub fn new(spec: &Spec) -> Self {
        let levels = spec.texts(&["logs", "levels"]);
        let mut by_text: HashMap<String, String> = levels.iter().map(|name| (name.clone(), name.clone())).collect();
        by_text.extend(spec.text_map(&["logs", "level_aliases"]));
        LevelNames { levels, by_text: Keys::new(by_text.into_iter().collect()) }
    }

    /// By the number; by the text when there is none. Empty when neither says anything.
    fn level(&self, number: i32, text: &[u8]) -> &str {
        if let Some(place) = usize::try_from(number).ok().and_then(|number| number.checked_sub(1))
            && let Some(name) = self.levels.get(place / NUMBERS_A_LEVEL)
        {
            return name;
        }
        if !text.is_ascii() {
            return "";
        }
        let found = self.by_text.find(text).or_else(|| self.by_text.find(&text.to_ascii_uppercase()));
        found.map_or("", String::as_str)
    }
}

/// A log record as it was sent; its tree is used again for the next one.
pub struct LogRecord<'a> {
    /// Its values.
    pub tree: Tree<'a>,
    time: u64,
    observed: u64,
    severity_number: i32,
    severity_text: &'a [u8],
    /// None where it has none; once it is read as a document holds it. What is content leaves it.
    pub body: Option<Value<'a>>,
    /// Once it is read a document.
    pub attributes: List,
    dropped_attributes_count: u32,
    flags: u32,
    trace_id: &'a [u8],
    span_id: &'a [u8],
    /// As it came, until the record is read.
    pub event_name: &'a [u8],
    /// Whether severity text or event name must be repaired, and whether the body must be read.
    has_nul: bool,
    is_unread: bool,
}

/// What is known of a record beside what was sent.
pub struct Stored {
    /// Nanoseconds since the Unix epoch.
    pub time: u64,
    /// Where they come from.
    pub time_source: i16,
    /// Its own.
    pub id: Id,
}

impl<'a> LogRecord<'a> {
    /// Of nobody yet. Strings that are repaired go to `repaired`.
    pub fn new(repaired: &'a Bump) -> Self {
        LogRecord {
            tree: Tree::new(repaired),
            time: 0,
            observed: 0,
            severity_number: 0,
            severity_text: b"",
            body: None,
            attributes: List::EMPTY,
            dropped_attributes_count: 0,
            flags: 0,
            trace_id: &[],
            span_id: &[],
            event_name: b"",
            has_nul: false,
            is_unread: false,
        }
    }

    /// As `new`, field by field: to move the tree out and in again costs more.
    fn reset(&mut self) {
        self.tree.clear();
        (self.time, self.observed) = (0, 0);
        (self.severity_number, self.dropped_attributes_count, self.flags) = (0, 0, 0);
        (self.severity_text, self.event_name) = (b"", b"");
        (self.trace_id, self.span_id) = (&[], &[]);
        (self.has_nul, self.is_unread) = (false, false);
        self.body = None;
        self.attributes = List::EMPTY;
    }

    /// Read the record in `data` in the place of the last one.
    pub fn parse(&mut self, data: &'a [u8]) -> Result<(), Broken> {
        self.reset();
        let mut attributes = List::EMPTY;
        let mut cursor = Cursor::new(data);
        while let Some(tag) = cursor.tag()? {
            match tag {
                0x09 => self.time = cursor.fixed64()?,
                0x59 => self.observed = cursor.fixed64()?,
                0x10 => self.severity_number = cursor.varint()? as i32,
                0x1a => self.severity_text = self.line(cursor.delimited()?)?,
                0x2a => self.body(cursor.delimited()?)?,
                0x32 => self.tree.attribute(cursor.delimited()?, DEPTH_MAX - 1, &mut attributes)?,
                0x38 => self.dropped_attributes_count = cursor.varint()? as u32,
                0x45 => self.flags = cursor.fixed32()?,
                0x4a => self.trace_id = cursor.delimited()?,
                0x52 => self.span_id = cursor.delimited()?,
                0x62 => self.event_name = self.line(cursor.delimited()?)?,
                _ => cursor.skip(tag, DEPTH_MAX)?,
            }
        }
        self.attributes = attributes;
        Ok(())
    }

    /// A string field.
    #[inline]
    fn line(&mut self, text: &'a [u8]) -> Result<&'a [u8], Broken> {
        self.has_nul |= short_text(text)?.has_nul;
        Ok(text)
    }

    #[inline]
    fn body(&mut self, data: &'a [u8]) -> Result<(), Broken> {
        if let Some(body) = &mut self.body {
            self.is_unread = true;
            return self.tree.any_value(data, DEPTH_MAX - 1, body);
        }
        let read = self.tree.value(data, DEPTH_MAX - 1)?;
        (self.body, self.is_unread) = (Some(read.value), read.unread);
        Ok(())
    }

    /// Nanoseconds at which the record is stored, and where they come from.
    pub fn time(&self, now: i64) -> (u64, i16) {
        if self.time > 0 {
            (self.time, TIME)
        } else if self.observed > 0 {
            (self.observed, OBSERVED)
        } else {
            ((now as u64).saturating_mul(1000), RECEIVED)
        }
    }

    /// The first rejection rule that the record breaks.
    pub fn check(&self, time: u64, now: i64, terms: &Terms) -> Result<(), Rule> {
        if time.max(self.observed) > INT64_MAX {
            return Err(TIME_OUT_OF_RANGE);
        }
        if int2(self.severity_number).is_none() {
            return Err(ENUM_OUT_OF_RANGE);
        }
        outside_window(microseconds(time), now, terms).map_or(Ok(()), Err)
    }

    /// Its trace and span ids, None for no association. It has been read.
    pub fn association(&self) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
        (Some(self.trace_id).filter(|id| !id.is_empty()), Some(self.span_id).filter(|id| !id.is_empty()))
    }

    /// Make a document of its attributes, drop ids that are none, repair its body. The keys of its attributes, if they are
    /// remembered.
    pub fn read(&mut self, counts: &mut Counts) -> Option<Shape> {
        let (has_trace, has_span) = (trace_id(self.trace_id).is_some(), is_span_id(self.span_id));
        for (id, is_valid) in [(&mut self.trace_id, has_trace), (&mut self.span_id, has_span)] {
            if !is_valid && !std::mem::take(id).is_empty() {
                counts.add(LOG_ID_DROPPED, 1);
            }
        }
        let shape = self.tree.read_attributes(&mut self.attributes, counts);
        if self.is_unread
            && let Some(body) = &mut self.body
        {
            self.tree.read_value(body, counts);
        }
        if self.has_nul {
            self.tree.repair(&mut self.severity_text, counts);
            self.tree.repair(&mut self.event_name, counts);
        }
        shape
    }

    /// The field of one op.
    pub fn write(&self, out: &mut Vec<u8>, op: LogOp, max_bytes: usize, stored: &Stored, levels: &LevelNames) {
        let filled = |out: &mut Vec<u8>, text: &[u8]| match text {
            [] => field::null(out),
            _ => field::text(out, text, max_bytes),
        };
        match op {
            LogOp::TimeUs => field::timestamptz(out, microseconds(stored.time)),
            LogOp::TimeNanos => field::int2(out, remainder(stored.time)),
            LogOp::TimeSource => field::int2(out, stored.time_source),
            LogOp::ObservedUs if self.observed > 0 => field::timestamptz(out, microseconds(self.observed)),
            LogOp::ObservedNanos if self.observed > 0 => field::int2(out, remainder(self.observed)),
            LogOp::ObservedUs | LogOp::ObservedNanos => field::null(out),
            LogOp::Id => field::raw(out, &stored.id),
            LogOp::TraceId => optional(out, self.trace_id),
            LogOp::SpanId => optional(out, self.span_id),
            LogOp::Level => field::text(out, levels.level(self.severity_number, self.severity_text).as_bytes(), max_bytes),
            LogOp::SeverityNumber => field::int2(out, int2(self.severity_number).unwrap_or_default()),
            LogOp::SeverityText => filled(out, self.severity_text),
            LogOp::EventName => filled(out, self.event_name),
            LogOp::Message => match &self.body {
                Some(Value::Text(text)) => field::text(out, text, max_bytes),
                _ => field::null(out),
            },
            LogOp::Body => match &self.body {
                None | Some(Value::Text(_)) => field::null(out),
                Some(body) => {
                    let json = field::open(out);
                    out.push(1);
                    document::value(out, &self.tree, body, false);
                    field::close(out, json);
                }
            },
            LogOp::Attributes => {
                let json = field::open(out);
                out.push(1);
                document::object(out, &self.tree, self.attributes, false);
                field::close(out, json);
            }
            LogOp::Flags => field::int8(out, self.flags.into()),
            LogOp::DroppedAttributesCount => field::int8(out, self.dropped_attributes_count.into()),
        }
    }
}

/// An id, or NULL.
fn optional(out: &mut Vec<u8>, id: &[u8]) {
    match id {
        [] => field::null(out),
        _ => field::raw(out, id),
    }
}

/// Of a UUIDv7: 12 after the version, 62 after the variant.
const LOW_BITS: u32 = 62;

/// The ids of one request's records. UUIDv7 layout (RFC 9562, 5.7): milliseconds of the record, the rest counts up from the last
/// 74 bits of BLAKE2b-128 over the request's digest; for records without times it is, last, over when they were received.
pub struct Ids {
    timed: u128,
    untimed: u128,
}

impl Ids {
    /// Of the request with that digest, received then (microseconds).
    pub fn new(digest: &[u8], received: i64) -> Self {
        let number = |beside: &[u8]| u128::from_be_bytes(id_of(id_hash().update(digest).update(beside)));
        Ids { timed: number(&[]), untimed: number(&received.to_be_bytes()) }
    }

    /// That of the record of this ordinal.
    #[inline]
    pub fn id(&self, time: u64, time_source: i16, ordinal: u64) -> Id {
        let first = if time_source == RECEIVED { self.untimed } else { self.timed };
        let number = first.wrapping_add(ordinal.into());
        let (version, variant) =
            (0x7000 | (number >> LOW_BITS) as u64 & 0xfff, 0b10 << LOW_BITS | number as u64 & !(0b11 << LOW_BITS));
        let head = (time / 1_000_000) << 16 | version;
        (u128::from(head) << 64 | u128::from(variant)).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::{Ids, TIME};

    #[test]
    fn a_count_goes_on_from_its_beginning() {
        let ids = Ids { timed: u128::MAX, untimed: 0 };
        let (last, first) = (ids.id(5_000_000, TIME, 0), ids.id(5_000_000, TIME, 1));
        assert_eq!(u128::from_be_bytes(last), 0x0000_0000_0005_7fff_bfff_ffff_ffff_ffff);
        assert_eq!(u128::from_be_bytes(first), 0x0000_0000_0005_7000_8000_0000_0000_0000);
    }
}
