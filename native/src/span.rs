//! One span: what is read of it, the rules it must keep, and what each op reads from it.

use bumpalo::Bump;

use crate::accepted::{INT64_MAX, Terms, int2, is_span_id, microseconds, outside_window, remainder, trace_id};
use crate::batch::Id;
use crate::counts::{
    Counts, ENUM_OUT_OF_RANGE, LINK_DROPPED, PARENT_SPAN_ID_INVALID, Rule, SPAN_ID_INVALID, TIME_OUT_OF_RANGE, TRACE_ID_INVALID,
};
use crate::cursor::{Broken, Cursor, DEPTH_MAX};
use crate::document;
use crate::field;
use crate::json::{self, Object};
use crate::memory::Shape;
use crate::op::SpanOp;
use crate::repair::repaired;
use crate::tree::{List, Tree};

/// Flag bits 8 (whether the parent is remote is known) and 9 (it is).
const REMOTE_PARENT: u32 = 0x300;
const SERVER: i32 = 2;
const CONSUMER: i32 = 5;

/// An event of a span.
pub struct Event<'a> {
    time: u64,
    /// Once it is read as it is stored.
    pub name: &'a [u8],
    /// Once it is read a document.
    pub attributes: List,
    dropped_attributes_count: u32,
}

/// A link of a span.
pub struct Link<'a> {
    trace_id: &'a [u8],
    span_id: &'a [u8],
    trace_state: &'a [u8],
    attributes: List,
    dropped_attributes_count: u32,
    flags: u32,
}

/// A span as it was sent; the vectors are used again for the next one.
pub struct Span<'a> {
    /// Its values.
    pub tree: Tree<'a>,
    /// Not yet known to be valid.
    pub trace_id: &'a [u8],
    /// Not yet known to be valid.
    pub span_id: &'a [u8],
    parent_span_id: &'a [u8],
    trace_state: &'a [u8],
    flags: u32,
    /// As it came.
    pub name: &'a [u8],
    kind: i32,
    /// Nanoseconds since the Unix epoch.
    pub start: u64,
    /// Nanoseconds since the Unix epoch.
    pub end: u64,
    /// Once it is read a document.
    pub attributes: List,
    dropped_attributes_count: u32,
    /// In order.
    pub events: Vec<Event<'a>>,
    dropped_events_count: u32,
    links: Vec<Link<'a>>,
    dropped_links_count: u32,
    links_dropped: u32,
    status_message: &'a [u8],
    status_code: i32,
}

impl<'a> Span<'a> {
    /// Of nobody yet. Strings that are repaired go to `repaired`.
    pub fn new(repaired: &'a Bump) -> Self {
        Span {
            tree: Tree::new(repaired),
            trace_id: &[],
            span_id: &[],
            parent_span_id: &[],
            trace_state: b"",
            flags: 0,
            name: b"",
            kind: 0,
            start: 0,
            end: 0,
            attributes: List::EMPTY,
            dropped_attributes_count: 0,
            events: Vec::new(),
            dropped_events_count: 0,
            links: Vec::new(),
            dropped_links_count: 0,
            links_dropped: 0,
            status_message: b"",
            status_code: 0,
        }
    }

    /// As `new`, field by field: to move the vectors out and in again costs more than all of this.
    fn reset(&mut self) {
        self.tree.clear();
        self.events.clear();
        self.links.clear();
        (self.trace_id, self.span_id, self.parent_span_id) = (&[], &[], &[]);
        (self.trace_state, self.name, self.status_message) = (b"", b"", b"");
        (self.flags, self.kind, self.status_code) = (0, 0, 0);
        (self.start, self.end) = (0, 0);
        self.attributes = List::EMPTY;
        (self.dropped_attributes_count, self.dropped_events_count) = (0, 0);
        (self.dropped_links_count, self.links_dropped) = (0, 0);
    }

    /// Read the span in `data` in the place of the last one.
    pub fn parse(&mut self, data: &'a [u8]) -> Result<(), Broken> {
        self.reset();
        let mut attributes = List::EMPTY;
        let mut cursor = Cursor::new(data);
        while let Some(tag) = cursor.tag()? {
            match tag {
                0x0a => self.trace_id = cursor.delimited()?,
                0x12 => self.span_id = cursor.delimited()?,
                0x1a => self.trace_state = cursor.text()?,
                0x22 => self.parent_span_id = cursor.delimited()?,
                0x2a => self.name = cursor.text()?,
                0x30 => self.kind = cursor.varint()? as i32,
                0x39 => self.start = cursor.fixed64()?,
                0x41 => self.end = cursor.fixed64()?,
                0x4a => self.tree.attribute(cursor.delimited()?, DEPTH_MAX - 1, &mut attributes)?,
                0x50 => self.dropped_attributes_count = cursor.varint()? as u32,
                0x5a => self.parse_event(cursor.delimited()?, DEPTH_MAX - 1)?,
                0x60 => self.dropped_events_count = cursor.varint()? as u32,
                0x6a => self.parse_link(cursor.delimited()?, DEPTH_MAX - 1)?,
                0x70 => self.dropped_links_count = cursor.varint()? as u32,
                0x7a => self.parse_status(cursor.delimited()?, DEPTH_MAX - 1)?,
                0x85 => self.flags = cursor.fixed32()?,
                _ => cursor.skip(tag, DEPTH_MAX)?,
            }
        }
        self.attributes = attributes;
        Ok(())
    }

    fn parse_event(&mut self, data: &'a [u8], depth: u32) -> Result<(), Broken> {
        let mut event = Event { time: 0, name: b"", attributes: List::EMPTY, dropped_attributes_count: 0 };
        let mut cursor = Cursor::new(data);
        while let Some(tag) = cursor.tag()? {
            match tag {
                0x09 => event.time = cursor.fixed64()?,
                0x12 => event.name = cursor.text()?,
                0x1a => self.tree.key_value(cursor.delimited()?, depth - 1, &mut event.attributes)?,
                0x20 => event.dropped_attributes_count = cursor.varint()? as u32,
                _ => cursor.skip(tag, depth)?,
            }
        }
        self.events.push(event);
        Ok(())
    }

    fn parse_link(&mut self, data: &'a [u8], depth: u32) -> Result<(), Broken> {
        let mut link = Link {
            trace_id: &[],
            span_id: &[],
            trace_state: b"",
            attributes: List::EMPTY,
            dropped_attributes_count: 0,
            flags: 0,
        };
        let mut cursor = Cursor::new(data);
        while let Some(tag) = cursor.tag()? {
            match tag {
                0x0a => link.trace_id = cursor.delimited()?,
                0x12 => link.span_id = cursor.delimited()?,
                0x1a => link.trace_state = cursor.text()?,
                0x22 => self.tree.key_value(cursor.delimited()?, depth - 1, &mut link.attributes)?,
                0x28 => link.dropped_attributes_count = cursor.varint()? as u32,
                0x35 => link.flags = cursor.fixed32()?,
                _ => cursor.skip(tag, depth)?,
            }
        }
        self.links.push(link);
        Ok(())
    }

    fn parse_status(&mut self, data: &'a [u8], depth: u32) -> Result<(), Broken> {
        let mut cursor = Cursor::new(data);
        while let Some(tag) = cursor.tag()? {
            match tag {
                0x12 => self.status_message = cursor.text()?,
                0x18 => self.status_code = cursor.varint()? as i32,
                _ => cursor.skip(tag, depth)?,
            }
        }
        Ok(())
    }

    /// Its trace id, or the first rejection rule that the span breaks.
    pub fn check(&self, now: i64, terms: &Terms) -> Result<Id, Rule> {
        let trace = trace_id(self.trace_id).ok_or(TRACE_ID_INVALID)?;
        if !is_span_id(self.span_id) {
            return Err(SPAN_ID_INVALID);
        }
        if !matches!(self.parent_span_id.len(), 0 | 8) {
            return Err(PARENT_SPAN_ID_INVALID);
        }
        if self.start.max(self.end) > INT64_MAX || self.events.iter().any(|event| event.time > INT64_MAX) {
            return Err(TIME_OUT_OF_RANGE);
        }
        if let Some(rule) = outside_window(microseconds(self.start), now, terms) {
            return Err(rule);
        }
        if int2(self.kind).is_none() || int2(self.status_code).is_none() {
            return Err(ENUM_OUT_OF_RANGE);
        }
        Ok(trace)
    }

    /// Make documents of its attributes, events and links. The keys of its attributes, if they are remembered.
    pub fn read(&mut self, counts: &mut Counts) -> Option<Shape> {
        let shape = self.tree.read_attributes(&mut self.attributes, counts);
        for event in &mut self.events {
            self.tree.repair(&mut event.name, counts);
            self.tree.read(&mut event.attributes, counts);
        }
        let before = self.links.len();
        self.links.retain(|link| trace_id(link.trace_id).is_some() && is_span_id(link.span_id));
        self.links_dropped = (before - self.links.len()) as u32;
        if self.links_dropped > 0 {
            counts.add(LINK_DROPPED, self.links_dropped.into());
        }
        for link in &mut self.links {
            self.tree.repair(&mut link.trace_state, counts);
            self.tree.read(&mut link.attributes, counts);
        }
        shape
    }

    /// Whether it is a request to its service: no parent, a remote parent, or kind SERVER or CONSUMER.
    fn is_entry(&self) -> bool {
        self.parent_span_id.iter().all(|&byte| byte == 0)
            || self.flags & REMOTE_PARENT == REMOTE_PARENT
            || matches!(self.kind, SERVER | CONSUMER)
    }

    fn text_or_null(out: &mut Vec<u8>, text: &[u8], max_bytes: usize, counts: &mut Counts) {
        if text.is_empty() {
            field::null(out);
        } else {
            field::text(out, &repaired(text, counts), max_bytes);
        }
    }

    /// The field of one op; the late ones are not asked here.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>, op: SpanOp, max_bytes: usize, counts: &mut Counts) {
        match op {
            SpanOp::StartUs => field::timestamptz(out, microseconds(self.start)),
            SpanOp::StartNanos => field::int2(out, remainder(self.start)),
            SpanOp::TraceId => field::raw(out, self.trace_id),
            SpanOp::SpanId => field::raw(out, self.span_id),
            SpanOp::ParentSpanId if self.parent_span_id.is_empty() => field::null(out),
            SpanOp::ParentSpanId => field::raw(out, self.parent_span_id),
            SpanOp::TraceState => Self::text_or_null(out, self.trace_state, max_bytes, counts),
            SpanOp::Flags => field::int8(out, self.flags.into()),
            SpanOp::IsEntry => field::boolean(out, self.is_entry()),
            SpanOp::Name => field::text(out, &repaired(self.name, counts), max_bytes),
            SpanOp::Kind => field::int2(out, int2(self.kind).unwrap_or_default()),
            SpanOp::DurationNs if self.end == 0 => field::null(out),
            SpanOp::DurationNs => field::int8(out, (self.end as i64).wrapping_sub(self.start as i64)),
            SpanOp::DurationMs if 0 < self.start && self.start <= self.end => {
                field::float8(out, (self.end - self.start) as f64 / 1e6);
            }
            SpanOp::DurationMs => field::null(out),
            SpanOp::StatusCode => field::int2(out, int2(self.status_code).unwrap_or_default()),
            SpanOp::StatusMessage => Self::text_or_null(out, self.status_message, max_bytes, counts),
            SpanOp::Events => self.write_events(out),
            SpanOp::Links => self.write_links(out),
            SpanOp::DroppedAttributesCount => field::int8(out, self.dropped_attributes_count.into()),
            SpanOp::DroppedEventsCount => field::int8(out, self.dropped_events_count.into()),
            SpanOp::DroppedLinksCount => {
                field::int8(out, i64::from(self.dropped_links_count) + i64::from(self.links_dropped));
            }
            SpanOp::Attributes | SpanOp::UsageRole => field::null(out),
        }
    }

    fn write_events(&self, out: &mut Vec<u8>) {
        if self.events.is_empty() {
            return field::null(out);
        }
        let json = field::open(out);
        out.push(1);
        for (index, event) in self.events.iter().enumerate() {
            out.push(if index > 0 { b',' } else { b'[' });
            let mut object = Object::open(out);
            if event.time > 0 {
                json::integer(object.member("time_unix_nano"), event.time);
            }
            if !event.name.is_empty() {
                json::string(object.member("name"), event.name);
            }
            if event.attributes.len > 0 {
                document::object(object.member("attributes"), &self.tree, event.attributes, false);
            }
            if event.dropped_attributes_count > 0 {
                json::integer(object.member("dropped_attributes_count"), event.dropped_attributes_count);
            }
            object.close();
        }
        out.push(b']');
        field::close(out, json);
    }

    fn write_links(&self, out: &mut Vec<u8>) {
        if self.links.is_empty() {
            return field::null(out);
        }
        let json = field::open(out);
        out.push(1);
        for (index, link) in self.links.iter().enumerate() {
            out.push(if index > 0 { b',' } else { b'[' });
            let mut object = Object::open(out);
            json::hex(object.member("trace_id"), link.trace_id);
            json::hex(object.member("span_id"), link.span_id);
            if !link.trace_state.is_empty() {
                json::string(object.member("trace_state"), link.trace_state);
            }
            if link.attributes.len > 0 {
                document::object(object.member("attributes"), &self.tree, link.attributes, false);
            }
            if link.dropped_attributes_count > 0 {
                json::integer(object.member("dropped_attributes_count"), link.dropped_attributes_count);
            }
            if link.flags > 0 {
                json::integer(object.member("flags"), link.flags);
            }
            object.close();
        }
        out.push(b']');
        field::close(out, json);
    }
}
