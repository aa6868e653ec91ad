//! Log records → rows of records, and of what was said in them.

use bumpalo::Bump;

use crate::accepted::{Terms, microseconds};
use crate::batch::Batch;
use crate::content::{Event, Finder, Look, Seen};
use crate::content_rows::{Carrier, ContentRows, Origin};
use crate::counts::{RECORD_MALFORMED, Rule};
use crate::encoder::{RecordEncoder, Source, touched};
use crate::limits::Limits;
use crate::log::{self, Ids, LevelNames, LogRecord, Stored};
use crate::measure;
use crate::memory::{Shape, Shapes};
use crate::op::{ContentOp, LogOp};
use crate::schema::LOG_RECORD;
use crate::source::Speaker;
use crate::spec::{Faults, Spec};
use crate::table::{BesideTable, RecordTable, SharedFields};
use crate::tree::Value;
use crate::walk::{self, Envelope};
use crate::wire::Malformed;

/// How spans and metrics begin: field 1 as bytes. Of a log record it is a fixed64; spans sent to the wrong service would be
/// records without time and text.
const NAMED: u8 = 0x0a;

/// What a log request writes.
pub struct LogTables {
    records: RecordTable<LogOp>,
    content: RecordTable<ContentOp>,
    touched: BesideTable,
    levels: LevelNames,
    finder: Finder,
}

impl LogTables {
    /// Those of a spec.
    pub fn new(spec: &Spec) -> Result<Self, Faults> {
        let records = spec.filled_by("log.id", "fact")?;
        Ok(LogTables {
            records: RecordTable::new(records, LogOp::parse),
            content: RecordTable::new(spec.filled_by("content.body", "fact")?, ContentOp::parse),
            touched: BesideTable::new(spec.filled_by("touched.hour", "queue")?)?,
            levels: LevelNames::new(spec),
            finder: Finder::new(spec, records, None)?,
        })
    }
}

/// What the source decides.
pub struct Prepared {
    row: SharedFields,
    content: SharedFields,
}

/// The encoder of logs.
pub struct Logs<'t, 'p> {
    tables: &'t LogTables,
    limits: &'t Limits,
    terms: Terms,
    ids: Ids,
    sources: usize,
    content: ContentRows<'t>,
    ordinal: u64,
    record: LogRecord<'p>,
    seen: Seen,
    kinds: Shapes<Kind>,
}

/// What records of the same keys share.
struct Kind {
    look: Look,
    /// Whether an attribute may name an event.
    is_named: bool,
}

impl<'t, 'p> Logs<'t, 'p> {
    /// For one request.
    pub fn new(tables: &'t LogTables, sources: usize, limits: &'t Limits, terms: Terms, ids: Ids, repaired: &'p Bump) -> Self {
        Logs {
            tables,
            limits,
            terms,
            ids,
            sources,
            content: ContentRows::new(&tables.content, &tables.finder, terms.content_max_bytes, limits.content_rows_max_bytes),
            ordinal: 0,
            record: LogRecord::new(repaired),
            seen: Seen::default(),
            kinds: Shapes::default(),
        }
    }

    /// Encode one record, or say the rule it breaks.
    fn record(&mut self, batch: &mut Batch<'_>, data: &'p [u8], source: &Source<Prepared>) -> Result<(), Rule> {
        if let Some(rule) = measure::exceeded(data, &LOG_RECORD, self.limits).map_err(|_| RECORD_MALFORMED)? {
            return Err(rule);
        }
        self.record.parse(data).map_err(|_| RECORD_MALFORMED)?;
        if data.first() == Some(&NAMED) {
            return Err(RECORD_MALFORMED);
        }
        let (time, time_source) = self.record.time(batch.now);
        self.record.check(time, batch.now, &self.terms)?;
        if let Some(rule) = self.content.full(batch) {
            return Err(rule);
        }
        let stored = Stored { time, time_source, id: self.ids.id(time, time_source, self.ordinal) };
        let shape = self.record.read(&mut batch.repaired);
        self.said(batch, &stored, &source.prepared, shape);
        let (tables, record) = (self.tables, &self.record);
        batch.row(tables.records.place, |out| {
            tables.records.write(out, &source.prepared.row, |out, op, max_bytes| {
                record.write(out, op, max_bytes, &stored, &tables.levels);
            });
        });
        batch.name(self.sources, &source.id, &source.row);
        batch.accept(microseconds(time), None);
        batch.untimed |= time_source == log::RECEIVED;
        Ok(())
    }

    /// The message event that the record is, by any of its names: where they differ, one that speaks of a message.
    fn event(tables: &'t LogTables, record: &LogRecord<'_>) -> Option<&'t Event> {
        let events = &tables.finder.events;
        if let Some(event) = events.find(record.event_name) {
            return Some(event);
        }
        let list = record.attributes;
        tables.finder.name_keys.iter().find_map(|key| {
            match record.tree.items(list).find(|node| *node.key == *key.as_bytes()).map(|node| &node.value) {
                Some(Value::Text(name)) => events.find(name),
                _ => None,
            }
        })
    }

    fn said(&mut self, batch: &mut Batch<'_>, stored: &Stored, prepared: &Prepared, shape: Option<Shape>) {
        let Logs { tables, content, record, seen, kinds, .. } = self;
        let (finder, tree) = (&tables.finder, &record.tree);
        let mut list = record.attributes;
        let kind =
            kinds.get(shape, || Kind { look: finder.look(tree, list, None, false), is_named: finder.names_event(tree, list) });
        let event = if kind.is_named || !record.event_name.is_empty() { Self::event(tables, record) } else { None };
        let (trace_id, span_id) = record.association();
        let origin = Origin { time_us: microseconds(stored.time), trace_id, span_id, log_id: Some(&stored.id) };
        let carriers = &tables.finder.carriers;
        match event {
            None if kind.look.finds_nothing() => seen.taken.clear(),
            None => finder.take(seen, &kind.look, tree, list),
            _ => finder.take(seen, &finder.look(tree, list, event, false), tree, list),
        }
        if !seen.taken.is_empty() {
            let carrier = Carrier { name: &carriers.log_attribute, event_index: None };
            content.add(batch, &prepared.content, &origin, carrier, &record.tree, &seen.taken);
            record.tree.keep(&mut list, &seen.nodes);
            record.attributes = list;
        }
        if let Some(event) = event
            && let Some(body) = record.body.take()
        {
            let carrier = Carrier { name: &carriers.log_body, event_index: None };
            content.add_value(batch, &prepared.content, &origin, carrier, &record.tree, event.body, &body);
        }
    }
}

impl<'p> RecordEncoder<'p> for Logs<'_, 'p> {
    type Prepared = Prepared;

    fn prepare(&self, speaker: &Speaker<'_>) -> Prepared {
        Prepared { row: speaker.share(&self.tables.records), content: speaker.share(&self.tables.content) }
    }

    fn scope(
        &mut self,
        batch: &mut Batch<'_>,
        envelope: &Envelope<'p>,
        source: Result<&Source<Prepared>, Rule>,
    ) -> Result<(), Malformed> {
        for (index, data) in walk::records(envelope.message).enumerate() {
            let data = data?;
            if let Err(rule) = source.and_then(|source| self.record(batch, data, source)) {
                let (resource, scope) = (envelope.resource_index, envelope.scope_index);
                batch.reject(rule, || format!("resource_logs[{resource}].scope_logs[{scope}].log_records[{index}]"));
            }
            self.ordinal += 1;
        }
        Ok(())
    }

    fn finish(&mut self, batch: &mut Batch<'_>) {
        touched(&self.tables.touched, batch, "logs");
    }
}
