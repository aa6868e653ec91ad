//! What was said becomes rows: one per item, cut to what is kept of it, and no more of them than are held at once.

use crate::batch::{Batch, Id};
use crate::content::{Finder, Place, Taken};
use crate::counts::{CONTENT_DROPPED, CONTENT_TRUNCATED, Rule, TOO_MUCH_CONTENT};
use crate::document;
use crate::field;
use crate::op::ContentOp;
use crate::table::{RecordTable, SharedFields};
use crate::tree::{Tree, Value};

/// What a row of content holds beside its text and what the source decides, rounded up.
const OWN_BYTES: usize = 128;
/// What is kept of the room for JSON from one item to the next.
const ROOM_MAX: usize = 1024 * 1024;

/// The record that said it.
pub struct Origin<'r> {
    /// In microseconds since the Unix epoch.
    pub time_us: i64,
    /// Of the span, or None.
    pub trace_id: Option<&'r [u8]>,
    /// Of the span, or None.
    pub span_id: Option<&'r [u8]>,
    /// Of the log record, or None.
    pub log_id: Option<&'r Id>,
}

/// Where in a record it stood.
#[derive(Clone, Copy)]
pub struct Carrier<'r> {
    /// As the rows name it.
    pub name: &'r str,
    /// Which event, counted from 0.
    pub event_index: Option<usize>,
}

/// The content of one request.
pub struct ContentRows<'t> {
    table: &'t RecordTable<ContentOp>,
    finder: &'t Finder,
    /// Bytes kept of an item; nothing is kept when that is 0.
    max_bytes: usize,
    rows_max_bytes: u64,
    size: u64,
    json: Vec<u8>,
}

impl<'t> ContentRows<'t> {
    /// Without rows.
    pub fn new(table: &'t RecordTable<ContentOp>, finder: &'t Finder, max_bytes: usize, rows_max_bytes: u64) -> Self {
        ContentRows { table, finder, max_bytes, rows_max_bytes, size: 0, json: Vec::new() }
    }

    /// The rule that refuses the next record: these rows, or all of the request, take more than is held at once.
    pub fn full(&self, batch: &Batch<'_>) -> Option<Rule> {
        if self.size > self.rows_max_bytes { Some(TOO_MUCH_CONTENT) } else { batch.full() }
    }

    /// What was taken out of a document of a record.
    pub fn add(
        &mut self,
        batch: &mut Batch<'_>,
        shared: &SharedFields,
        origin: &Origin<'_>,
        carrier: Carrier<'_>,
        tree: &Tree<'_>,
        taken: &[Taken],
    ) {
        for item in taken {
            let Some(place) = self.finder.places.get(item.place) else { continue };
            let first = item.nodes.first().and_then(|&index| tree.node(index)).map(|node| &node.value);
            match first {
                _ if self.max_bytes == 0 => batch.repaired.add(CONTENT_DROPPED, 1),
                Some(value) if !place.family => self.add_value(batch, shared, origin, carrier, tree, item.place, value),
                _ => {
                    let nodes = item.nodes.iter().filter_map(|&index| tree.node(index));
                    let json = self.written(|out| document::members(out, tree, nodes, false));
                    self.add_row(batch, shared, origin, carrier, place, true, &json);
                    self.put_back(json);
                }
            }
        }
    }

    /// One value, such as the body of a log record.
    #[allow(clippy::too_many_arguments)]
    pub fn add_value(
        &mut self,
        batch: &mut Batch<'_>,
        shared: &SharedFields,
        origin: &Origin<'_>,
        carrier: Carrier<'_>,
        tree: &Tree<'_>,
        place: usize,
        value: &Value<'_>,
    ) {
        let Some(place) = self.finder.places.get(place) else { return };
        match value {
            _ if self.max_bytes == 0 => batch.repaired.add(CONTENT_DROPPED, 1),
            Value::Text(text) => self.add_row(batch, shared, origin, carrier, place, false, text),
            _ => {
                let json = self.written(|out| document::value(out, tree, value, false));
                self.add_row(batch, shared, origin, carrier, place, true, &json);
                self.put_back(json);
            }
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn add_row(
        &mut self,
        batch: &mut Batch<'_>,
        shared: &SharedFields,
        origin: &Origin<'_>,
        carrier: Carrier<'_>,
        place: &Place,
        is_json: bool,
        data: &[u8],
    ) {
        let body = field::cut(data, self.max_bytes);
        if data.len() > self.max_bytes {
            batch.repaired.add(CONTENT_TRUNCATED, 1);
        }
        let optional = |out: &mut Vec<u8>, bytes: Option<&[u8]>| match bytes {
            Some(bytes) => field::raw(out, bytes),
            None => field::null(out),
        };
        batch.row(self.table.place, |out| {
            self.table.write(out, shared, |out, op, max_bytes| match op {
                ContentOp::TimeUs => field::timestamptz(out, origin.time_us),
                ContentOp::TraceId => optional(out, origin.trace_id),
                ContentOp::SpanId => optional(out, origin.span_id),
                ContentOp::LogId => optional(out, origin.log_id.map(|id| &id[..])),
                ContentOp::Kind => field::text(out, place.kind.as_bytes(), max_bytes),
                ContentOp::Carrier => field::text(out, carrier.name.as_bytes(), max_bytes),
                ContentOp::EventIndex => match carrier.event_index {
                    Some(index) => field::int8(out, index as i64),
                    None => field::null(out),
                },
                ContentOp::Attribute => field::text(out, place.attribute.as_bytes(), max_bytes),
                ContentOp::IsJson => field::boolean(out, is_json),
                ContentOp::Body => field::raw(out, body),
                ContentOp::OriginalLength => field::int8(out, data.len() as i64),
            });
        });
        self.size += (self.table.shared_size(shared) + OWN_BYTES) as u64;
    }

    /// JSON in the room of the one before.
    fn written(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
        let mut json = std::mem::take(&mut self.json);
        json.clear();
        write(&mut json);
        json
    }

    fn put_back(&mut self, json: Vec<u8>) {
        if json.capacity() <= ROOM_MAX {
            self.json = json;
        }
    }
}
