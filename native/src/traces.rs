//! Spans → rows of spans, of what was said in them, and of the index of traces.

use bumpalo::Bump;

use crate::accepted::{Terms, microseconds};
use crate::batch::{Batch, Id, TraceTimes};
use crate::content::{Finder, Look, Seen};
use crate::content_rows::{Carrier, ContentRows, Origin};
use crate::counts::{END_BEFORE_START, RECORD_MALFORMED, Rule};
use crate::document;
use crate::encoder::{RecordEncoder, Source, touched};
use crate::field;
use crate::limits::Limits;
use crate::measure;
use crate::memory::Shapes;
use crate::op::{BesideOp, ContentOp, SpanOp};
use crate::promote::{Plan, Promotion, ResourceField};
use crate::schema::SPAN;
use crate::source::Speaker;
use crate::span::Span;
use crate::spec::{Faults, Spec};
use crate::table::{BesideTable, Fill, RecordTable, SharedFields};
use crate::tree::Value;
use crate::usage::Roles;
use crate::walk::{self, Envelope};
use crate::wire::Malformed;

/// What a trace request writes.
pub struct TraceTables {
    spans: RecordTable<SpanOp>,
    content: RecordTable<ContentOp>,
    index: BesideTable,
    touched: BesideTable,
    finder: Finder,
    roles: Roles,
    /// The promoted columns of spans.
    pub promotion: Promotion,
}

impl TraceTables {
    /// Those of a spec.
    pub fn new(spec: &Spec) -> Result<Self, Faults> {
        let spans = spec.filled_by("span.kind", "fact")?;
        let promotion = Promotion::new(spec, spans);
        if let Some(column) =
            spans.columns.iter().skip_while(|column| column.op != "span.attributes").find(|column| !column.sources.is_empty())
        {
            return Err(vec![format!(
                "column {}.{} comes after the attributes, which what it holds leaves",
                spans.name, column.name
            )]);
        }
        Ok(TraceTables {
            spans: RecordTable::new(spans, SpanOp::parse),
            content: RecordTable::new(spec.filled_by("content.body", "fact")?, ContentOp::parse),
            index: BesideTable::new(spec.filled_by("trace.id", "index")?)?,
            touched: BesideTable::new(spec.filled_by("touched.hour", "queue")?)?,
            finder: Finder::new(spec, spans, Some(&promotion))?,
            roles: Roles::new(spec, spans)?,
            promotion,
        })
    }
}

/// What the source decides.
pub struct Prepared {
    row: SharedFields,
    content: SharedFields,
    resource: Vec<Option<ResourceField>>,
}

/// What spans of the same keys share.
struct Kind<'p> {
    look: Look,
    /// How those of that source are promoted.
    plan: Plan<'p>,
    source: Id,
}

/// The encoder of traces.
pub struct Traces<'t, 'p> {
    tables: &'t TraceTables,
    limits: &'t Limits,
    terms: Terms,
    sources: usize,
    content: ContentRows<'t>,
    times: TraceTimes,
    span: Span<'p>,
    seen: Seen,
    kinds: Shapes<Kind<'p>>,
    room: Vec<u8>,
}

impl<'t, 'p> Traces<'t, 'p> {
    /// For one request.
    pub fn new(
        tables: &'t TraceTables,
        sources: usize,
        limits: &'t Limits,
        terms: Terms,
        payload_bytes: usize,
        repaired: &'p Bump,
    ) -> Self {
        Traces {
            tables,
            limits,
            terms,
            sources,
            content: ContentRows::new(&tables.content, &tables.finder, terms.content_max_bytes, limits.content_rows_max_bytes),
            times: TraceTimes::new(payload_bytes),
            span: Span::new(repaired),
            seen: Seen::default(),
            kinds: Shapes::default(),
            room: Vec::new(),
        }
    }
}

impl<'p> RecordEncoder<'p> for Traces<'_, 'p> {
    type Prepared = Prepared;

    fn prepare(&self, speaker: &Speaker<'_>) -> Prepared {
        Prepared {
            row: speaker.share(&self.tables.spans),
            content: speaker.share(&self.tables.content),
            resource: speaker.resource.promoted.clone(),
        }
    }

    fn scope(
        &mut self,
        batch: &mut Batch<'_>,
        envelope: &Envelope<'p>,
        source: Result<&Source<Prepared>, Rule>,
    ) -> Result<(), Malformed> {
        for (index, data) in walk::records(envelope.message).enumerate() {
            let data = data?;
            if let Err(rule) = source.and_then(|source| self.span(batch, data, source)) {
                let (resource, scope) = (envelope.resource_index, envelope.scope_index);
                batch.reject(rule, || format!("resource_spans[{resource}].scope_spans[{scope}].spans[{index}]"));
            }
        }
        Ok(())
    }

    fn finish(&mut self, batch: &mut Batch<'_>) {
        if self.times.times.is_empty() {
            return;
        }
        let (tenant, now) = (batch.tenant, batch.now);
        for (trace, first, last) in &self.times.times {
            batch.row(self.tables.index.place, |out| {
                self.tables.index.write(out, |out, op, max_bytes| match op {
                    BesideOp::Tenant => field::text(out, tenant.as_bytes(), max_bytes),
                    BesideOp::ReceivedAt => field::timestamptz(out, now),
                    BesideOp::TraceId => field::raw(out, trace),
                    BesideOp::TraceFirstUs => field::timestamptz(out, *first),
                    BesideOp::TraceLastUs => field::timestamptz(out, *last),
                    _ => field::null(out),
                });
            });
        }
        touched(&self.tables.touched, batch, "traces");
    }
}

impl<'p> Traces<'_, 'p> {
    /// Encode one span, or say the rule it breaks.
    fn span(&mut self, batch: &mut Batch<'_>, data: &'p [u8], source: &Source<Prepared>) -> Result<(), Rule> {
        if let Some(rule) = measure::exceeded(data, &SPAN, self.limits).map_err(|_| RECORD_MALFORMED)? {
            return Err(rule);
        }
        self.span.parse(data).map_err(|_| RECORD_MALFORMED)?;
        let trace = self.span.check(batch.now, &self.terms)?;
        if let Some(rule) = self.content.full(batch) {
            return Err(rule);
        }
        let shape = self.span.read(&mut batch.repaired);
        let (tables, resource) = (self.tables, &source.prepared.resource);
        let mut kinds = std::mem::take(&mut self.kinds);
        let kind = kinds.get(shape, || {
            let look = tables.finder.look(&self.span.tree, self.span.attributes, None, true);
            let plan = tables.promotion.plan(&look.promoted, resource);
            Kind { look, plan, source: source.id }
        });
        if kind.source != source.id {
            kind.plan = tables.promotion.plan(&kind.look.promoted, resource);
            kind.source = source.id;
        }
        self.said(batch, &source.prepared, &kind.look);
        self.row(batch, &source.prepared, kind);
        self.kinds = kinds;
        batch.name(self.sources, &source.id, &source.row);
        if 0 < self.span.end && self.span.end < self.span.start {
            batch.odd.add(END_BEFORE_START, 1);
        }
        let start_us = microseconds(self.span.start);
        batch.accept(start_us, Some(trace));
        self.times.see(trace, start_us);
        Ok(())
    }

    /// Take what was said out of the span and its events.
    fn said(&mut self, batch: &mut Batch<'_>, prepared: &Prepared, look: &Look) {
        let Traces { tables, content, span, seen, .. } = self;
        let origin = Origin {
            time_us: microseconds(span.start),
            trace_id: Some(span.trace_id),
            span_id: Some(span.span_id),
            log_id: None,
        };
        let carriers = &tables.finder.carriers;
        let mut of_events = Seen::default();
        tables.finder.take(seen, look, &span.tree, span.attributes);
        let carrier = Carrier { name: &carriers.span_attribute, event_index: None };
        content.add(batch, &prepared.content, &origin, carrier, &span.tree, &seen.taken);
        for (index, event) in span.events.iter_mut().enumerate() {
            if event.attributes.len == 0 {
                continue;
            }
            let own = tables.finder.events.find(event.name);
            let look = tables.finder.look(&span.tree, event.attributes, own, false);
            tables.finder.take(&mut of_events, &look, &span.tree, event.attributes);
            if !of_events.taken.is_empty() {
                let carrier = Carrier { name: &carriers.span_event, event_index: Some(index) };
                content.add(batch, &prepared.content, &origin, carrier, &span.tree, &of_events.taken);
                span.tree.keep(&mut event.attributes, &of_events.nodes);
            }
        }
    }

    fn row(&mut self, batch: &mut Batch<'_>, prepared: &Prepared, kind: &mut Kind<'p>) {
        let Traces { tables, span, seen, room, .. } = self;
        let plan = &mut kind.plan;
        let (promotion, tree) = (&tables.promotion, &span.tree);
        let mark = mark(span, seen, kind.look.carrier);
        let role =
            tables.roles.role(span.name, mark, room, |out, column| promotion.field(out, plan, column, tree, &mut seen.nodes));
        let mut filling = plan.begin();
        let mut repaired = std::mem::take(&mut batch.repaired);
        batch.row(tables.spans.place, |out| {
            field::column_count(out, tables.spans.columns);
            for &fill in &tables.spans.fills {
                match fill {
                    Fill::Shared(number) => out.extend_from_slice(prepared.row.get(number)),
                    Fill::Promoted(count) => promotion.fill(out, &mut filling, count, tree, &mut seen.nodes),
                    Fill::Own(SpanOp::Attributes, _) => write_attributes(out, span, seen),
                    Fill::Own(SpanOp::UsageRole, max_bytes) => field::text(out, role.as_bytes(), max_bytes),
                    Fill::Own(op, max_bytes) => span.write(out, op, max_bytes, &mut repaired),
                    Fill::Null => field::null(out),
                }
            }
        });
        batch.repaired = repaired;
    }
}

/// The document without content and without what the promoted columns hold.
fn write_attributes(out: &mut Vec<u8>, span: &Span<'_>, seen: &Seen) {
    let json = field::open(out);
    out.push(1);
    let nodes = seen.nodes.iter().filter(|(_, stays)| *stays).filter_map(|&(node, _)| span.tree.node(node));
    document::members(out, &span.tree, nodes, false);
    field::close(out, json);
}

/// The text of the mark of usage carriers, where it is still in the document.
fn mark<'s>(span: &'s Span<'_>, seen: &Seen, carrier: Option<usize>) -> Option<&'s [u8]> {
    let &(node, stays) = seen.nodes.get(carrier?)?;
    match span.tree.node(node).map(|node| &node.value) {
        Some(Value::Text(text)) if stays => Some(text),
        _ => None,
    }
}
