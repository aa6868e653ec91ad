//! One log record: what is read of it, the rules it must keep, and what each op reads from it.

use std::collections::HashMap;

use blake2b_simd::Params;
use blake2b_simd::many::{HashManyJob, hash_many};
use bumpalo::Bump;

use crate::accepted::{INT64_MAX, Terms, int2, is_span_id, microseconds, outside_window, remainder, trace_id};
use crate::batch::Id;
use crate::counts::{Counts, ENUM_OUT_OF_RANGE, LOG_ID_DROPPED, Rule, TIME_OUT_OF_RANGE};
use crate::cursor::{Broken, Cursor, DEPTH_MAX};
use crate::document;
use crate::field;
use crate::key::Keys;
use crate::memory::Shape;
use crate::op::LogOp;
use crate::repair::repaired;
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
    /// As it came.
    pub event_name: &'a [u8],
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
        }
    }

    /// As `new`, field by field: to move the tree out and in again costs more.
    fn reset(&mut self) {
        self.tree.clear();
        (self.time, self.observed) = (0, 0);
        (self.severity_number, self.dropped_attributes_count, self.flags) = (0, 0, 0);
        (self.severity_text, self.event_name) = (b"", b"");
        (self.trace_id, self.span_id) = (&[], &[]);
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
                0x1a => self.severity_text = cursor.text()?,
                0x2a => {
                    let body = self.body.get_or_insert(Value::Null);
                    self.tree.any_value(cursor.delimited()?, DEPTH_MAX - 1, body)?;
                }
                0x32 => self.tree.attribute(cursor.delimited()?, DEPTH_MAX - 1, &mut attributes)?,
                0x38 => self.dropped_attributes_count = cursor.varint()? as u32,
                0x45 => self.flags = cursor.fixed32()?,
                0x4a => self.trace_id = cursor.delimited()?,
                0x52 => self.span_id = cursor.delimited()?,
                0x62 => self.event_name = cursor.text()?,
                _ => cursor.skip(tag, DEPTH_MAX)?,
            }
        }
        self.attributes = attributes;
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
        if let Some(body) = &mut self.body {
            self.tree.read_value(body, counts);
        }
        shape
    }

    fn text_or_null(out: &mut Vec<u8>, text: &[u8], max_bytes: usize, counts: &mut Counts) {
        if text.is_empty() {
            field::null(out);
        } else {
            field::text(out, &repaired(text, counts), max_bytes);
        }
    }

    /// The field of one op.
    pub fn write(
        &self,
        out: &mut Vec<u8>,
        op: LogOp,
        max_bytes: usize,
        stored: &Stored,
        levels: &LevelNames,
        counts: &mut Counts,
    ) {
        let optional = |out: &mut Vec<u8>, id: Option<&[u8]>| match id {
            Some(id) => field::raw(out, id),
            None => field::null(out),
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
            LogOp::SeverityText => Self::text_or_null(out, self.severity_text, max_bytes, counts),
            LogOp::EventName => Self::text_or_null(out, self.event_name, max_bytes, counts),
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

/// How many ids are made at once: those take as long as one.
const LANES: usize = 4;

/// The ids of one request's records. UUIDv7 layout (RFC 9562, 5.7): milliseconds of the record; the rest from BLAKE2b(request
/// digest, ordinal), and for a record without any time last when it was received.
pub struct Ids {
    params: Params,
    /// What is hashed for the next ordinals.
    inputs: [Vec<u8>; LANES],
    first: u64,
    rests: [[u8; 10]; LANES],
}

impl Ids {
    /// Of the request with that digest.
    pub fn new(digest: &[u8]) -> Self {
        let mut params = Params::new();
        params.hash_length(10);
        let inputs = std::array::from_fn(|_| [digest, &[0; 8]].concat());
        let mut ids = Ids { params, inputs, first: 0, rests: [[0; 10]; LANES] };
        ids.make(0);
        ids
    }

    fn make(&mut self, first: u64) {
        for (lane, input) in (first..).zip(&mut self.inputs) {
            if let Some(ordinal) = input.last_chunk_mut() {
                *ordinal = lane.to_be_bytes();
            }
        }
        let mut jobs = self.inputs.each_ref().map(|input| HashManyJob::new(&self.params, input));
        hash_many(&mut jobs);
        self.first = first;
        self.rests = jobs.each_ref().map(|job| rest(job.to_hash().as_bytes()));
    }

    /// That of the record of this ordinal, which is not below the last one.
    pub fn id(&mut self, time: u64, time_source: i16, ordinal: u64) -> Id {
        if ordinal - self.first >= LANES as u64 {
            self.make(ordinal);
        }
        let place = (ordinal - self.first) as usize;
        let mut rest_of = self.rests.get(place).copied().unwrap_or_default();
        if time_source == RECEIVED {
            let mut state = self.params.to_state();
            state.update(self.inputs.get(place).map_or(&[], Vec::as_slice));
            rest_of = rest(state.update(&(time / 1000).to_be_bytes()).finalize().as_bytes());
        }
        let [_, _, milliseconds @ ..] = (time / 1_000_000).to_be_bytes();
        let mut id = [0; 16];
        id.iter_mut().zip(milliseconds.iter().chain(&rest_of)).for_each(|(to, from)| *to = *from);
        id[6] = id[6] & 0x0f | 0x70;
        id[8] = id[8] & 0x3f | 0x80;
        id
    }
}

fn rest(hash: &[u8]) -> [u8; 10] {
    hash.try_into().unwrap_or_default()
}
