//! Exemplars of data points.

use crate::accepted::{is_span_id, trace_id};
use crate::cursor::{Broken, Cursor};
use crate::document;
use crate::json::{self, Object};
use crate::tree::{List, Tree};

/// The value of a point or exemplar.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub enum Number {
    Int(i64),
    Double(f64),
}

/// One measurement of those that a point sums up.
pub struct Exemplar<'a> {
    /// Once it is read a document.
    pub attributes: List,
    /// Nanoseconds since the Unix epoch.
    pub time: u64,
    value: Option<Number>,
    /// Empty or, once it is read, valid.
    pub trace_id: &'a [u8],
    span_id: &'a [u8],
}

impl<'a> Exemplar<'a> {
    /// Whether it has a value, and ids that are valid or not there.
    pub fn is_whole(&self) -> bool {
        self.value.is_some()
            && (self.trace_id.is_empty() || trace_id(self.trace_id).is_some())
            && (self.span_id.is_empty() || is_span_id(self.span_id))
    }

    /// The one in `data`; its values go to `tree`.
    pub fn parse(data: &'a [u8], depth: u32, tree: &mut Tree<'a>) -> Result<Self, Broken> {
        let mut found = Exemplar { attributes: List::EMPTY, time: 0, value: None, trace_id: &[], span_id: &[] };
        let mut cursor = Cursor::new(data);
        while let Some(tag) = cursor.tag()? {
            match tag {
                0x3a => tree.key_value(cursor.delimited()?, depth - 1, &mut found.attributes)?,
                0x11 => found.time = cursor.fixed64()?,
                0x19 => found.value = Some(Number::Double(f64::from_bits(cursor.fixed64()?))),
                0x31 => found.value = Some(Number::Int(cursor.fixed64()? as i64)),
                0x22 => found.span_id = cursor.delimited()?,
                0x2a => found.trace_id = cursor.delimited()?,
                _ => cursor.skip(tag, depth)?,
            }
        }
        Ok(found)
    }

    /// As JSON.
    pub fn write(&self, out: &mut Vec<u8>, tree: &Tree<'a>) {
        let mut object = Object::open(out);
        if self.time > 0 {
            json::integer(object.member("time_unix_nano"), self.time);
        }
        match self.value {
            Some(Number::Int(value)) => json::integer(object.member("int_value"), value),
            Some(Number::Double(value)) => json::double(object.member("value"), value),
            None => {}
        }
        if !self.trace_id.is_empty() {
            json::hex(object.member("trace_id"), self.trace_id);
        }
        if !self.span_id.is_empty() {
            json::hex(object.member("span_id"), self.span_id);
        }
        if self.attributes.len > 0 {
            document::object(object.member("attributes"), tree, self.attributes, false);
        }
        object.close();
    }
}
