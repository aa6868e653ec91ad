//! One log record: what is read of it, the rules it must keep, and what each op reads from it.

use std::collections::HashMap;

use blake2b_simd::State;
use bumpalo::Bump;

use crate::accepted::{INT64_MAX, Terms, int2, is_span_id, microseconds, outside_window, remainder, trace_id};
use crate::batch::Id;
use crate::counts::{Counts, ENUM_OUT_OF_RANGE, LOG_ID_DROPPED, Rule, TIME_OUT_OF_RANGE};
use crate::cursor::{Broken, Cursor, DEPTH_MAX, is_utf8};
use crate::document;
use crate::field;
use crate::key::{Keys, scan};
use crate::memory::Shape;
use crate::op::LogOp;
use crate::spec::Spec;
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

    /// A string field, which is UTF-8 and short: one look says whether it must be repaired, too.
    #[inline]
    fn line(&mut self, text: &'a [u8]) -> Result<&'a [u8], Broken> {
        let scanned = scan(text);
        self.has_nul |= scanned.has_nul;
        if scanned.is_ascii || is_utf8(text) { Ok(text) } else { Err(Broken) }
    }

    #[inline]
    fn body(&mut self, data: &'a [u8]) -> Result<(), Broken> {
        if let Some(body) = &mut self.body {
            self.is_unread = true;
            return self.tree.any_value(data, DEPTH_MAX - 1, body);
        }
        let (body, is_unread) = self.tree.value(data, DEPTH_MAX - 1)?;
        (self.body, self.is_unread) = (Some(body), is_unread);
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

    /// Its trace and span ids, None for no association.
    pub fn association(&self) -> (Option<&'a [u8]>, Option<&'a [u8]>) {
        (Some(self.trace_id).filter(|id| trace_id(id).is_some()), Some(self.span_id).filter(|id| is_span_id(id)))
    }

    /// Make a document of its attributes, and repair its body. The keys of its attributes, if they are remembered.
    pub fn read(&mut self, counts: &mut Counts) -> Option<Shape> {
        let (trace, span) = self.association();
        for (id, valid) in [(self.trace_id, trace.is_some()), (self.span_id, span.is_some())] {
            if !valid && !id.is_empty() {
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
        let optional = |out: &mut Vec<u8>, id: Option<&[u8]>| match id {
            Some(id) => field::raw(out, id),
            None => field::null(out),
        };
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
            LogOp::TraceId => optional(out, self.association().0),
            LogOp::SpanId => optional(out, self.association().1),
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

const SUFFIX_BYTES: usize = 10;
/// So many suffixes are in the 64 bytes of a BLAKE2b-512.
const IDS_A_HASH: u64 = 6;

/// The ids of one request's records. UUIDv7 layout (RFC 9562, 5.7): milliseconds of the record, the rest from a hash. One over the
/// request's digest and the number of six records says ten bytes for each of the six; where they have no time it is, last, over
/// when they were received.
pub struct Ids {
    /// The digest, and the group's number.
    input: Vec<u8>,
    timed: Group,
    untimed: Group,
}

/// The suffixes of six records.
struct Group {
    number: u64,
    suffixes: [[u8; SUFFIX_BYTES]; IDS_A_HASH as usize],
}

impl Group {
    const NONE: Group = Group { number: u64::MAX, suffixes: [[0; SUFFIX_BYTES]; IDS_A_HASH as usize] };

    #[cold]
    fn hash(&mut self, input: &mut [u8], number: u64, beside: &[u8]) {
        if let Some(last) = input.last_chunk_mut() {
            *last = number.to_be_bytes();
        }
        let hash = State::new().update(input).update(beside).finalize();
        let suffixes = hash.as_bytes().as_chunks::<SUFFIX_BYTES>().0;
        self.number = number;
        self.suffixes.iter_mut().zip(suffixes).for_each(|(to, from)| *to = *from);
    }
}

impl Ids {
    /// Of the request with that digest.
    pub fn new(digest: &[u8]) -> Self {
        Ids { input: [digest, &[0; 8]].concat(), timed: Group::NONE, untimed: Group::NONE }
    }

    /// That of the record of this ordinal.
    #[inline]
    pub fn id(&mut self, time: u64, time_source: i16, ordinal: u64) -> Id {
        let (number, place) = (ordinal / IDS_A_HASH, ordinal % IDS_A_HASH);
        let group = if time_source == RECEIVED {
            if self.untimed.number != number {
                self.untimed.hash(&mut self.input, number, &(time / 1000).to_be_bytes());
            }
            &self.untimed
        } else {
            if self.timed.number != number {
                self.timed.hash(&mut self.input, number, &[]);
            }
            &self.timed
        };
        let [_, _, milliseconds @ ..] = (time / 1_000_000).to_be_bytes();
        let mut id = [0; 16];
        if let (Some((start, end)), Some(suffix)) = (id.split_at_mut_checked(6), group.suffixes.get(place as usize)) {
            start.copy_from_slice(&milliseconds);
            end.copy_from_slice(suffix);
        }
        id[6] = id[6] & 0x0f | 0x70;
        id[8] = id[8] & 0x3f | 0x80;
        id
    }
}
