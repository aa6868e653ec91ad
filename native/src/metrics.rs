//! Data points → rows of points, and of the series they are values of.

use std::sync::{Arc, MutexGuard};

use bumpalo::Bump;

use crate::accepted::{Terms, microseconds};
use crate::batch::{Batch, Id};
use crate::counts::{Counts, METRIC_WITHOUT_DATA, RECORD_MALFORMED, Rule, SOURCES_TOO_LARGE, TEMPORALITY_UNSPECIFIED};
use crate::document;
use crate::encoder::{RecordEncoder, Source, touched};
use crate::field;
use crate::kind::Kind;
use crate::known::{Known, Series, Shared};
use crate::limits::Limits;
use crate::measure;
use crate::memory::Shapes;
use crate::metric;
use crate::op::{MetricOp, PointOp};
use crate::point::Point;
use crate::series::{MetricHead, SeriesTable, Template};
use crate::set::Map;
use crate::source::Speaker;
use crate::spec::{Faults, Spec};
use crate::table::{BesideTable, RecordTable, SharedFields};
use crate::walk::{self, Envelope};
use crate::wire::Malformed;

/// What fills a column of points.
#[derive(Clone, Copy)]
enum Op {
    Point(PointOp),
    Metric(MetricOp),
}

fn parse_op(op: &str) -> Option<Op> {
    PointOp::parse(op).map(Op::Point).or_else(|| MetricOp::parse(op).map(Op::Metric))
}

/// What a metric request writes.
pub struct MetricTables {
    points: RecordTable<Op>,
    series: SeriesTable,
    touched: BesideTable,
}

impl MetricTables {
    /// Those of a spec.
    pub fn new(spec: &Spec) -> Result<Self, Faults> {
        Ok(MetricTables {
            points: RecordTable::new(spec.filled_by("point.time_us", "fact")?, parse_op),
            series: SeriesTable::new(spec.filled_by("series.labels", "dimension")?),
            touched: BesideTable::new(spec.filled_by("touched.hour", "queue")?)?,
        })
    }
}

/// What the source decides of a row of points and of series.
pub struct Prepared {
    point: SharedFields,
    series: SharedFields,
}

/// The Metric whose points are being encoded: what they share, and its series by their labels.
struct Open<'p, 's> {
    kind: Kind,
    head: MetricHead,
    source: &'s Source<Prepared>,
    template: Template,
    series: Map<&'p [u8], Id>,
    /// By what they are remembered, if there is a memory.
    shared: Option<Shared>,
    /// Those that were remembered and are not in `series`.
    recalled: Vec<Arc<Series>>,
}

/// The encoder of metrics.
pub struct Metrics<'t, 'p> {
    tables: &'t MetricTables,
    limits: &'t Limits,
    terms: Terms,
    sources: usize,
    point: Point<'p>,
    labels: Vec<u8>,
    nodes: Vec<u32>,
    /// By their keys, places of the attributes in the order of those.
    orders: Shapes<Vec<usize>>,
    kept: &'p Bump,
    room: Vec<u8>,
    known: Option<MutexGuard<'t, Known>>,
}

impl<'t, 'p> Metrics<'t, 'p> {
    /// For one request.
    pub fn new(
        tables: &'t MetricTables,
        sources: usize,
        limits: &'t Limits,
        terms: Terms,
        kept: &'p Bump,
        known: Option<MutexGuard<'t, Known>>,
    ) -> Self {
        Metrics {
            tables,
            limits,
            terms,
            sources,
            point: Point::new(kept),
            labels: Vec::new(),
            nodes: Vec::new(),
            orders: Shapes::default(),
            kept,
            room: Vec::new(),
            known,
        }
    }

    /// Encode or reject every point of one Metric.
    fn metric(
        &mut self,
        batch: &mut Batch<'_>,
        message: &'p [u8],
        path: impl Fn() -> String,
        source: Result<&Source<Prepared>, Rule>,
    ) -> Result<(), Malformed> {
        let found = metric::read(message, &mut || true)?;
        let Some(kind) = Kind::of(found.kind) else {
            batch.odd.add(METRIC_WITHOUT_DATA, 1);
            return Ok(());
        };
        let mut opened = match source {
            Ok(source) => {
                let data = metric::read_data_head(message, &found)?;
                let head = MetricHead::read(&found.head, &data, kind, self.limits);
                head.map(|head| {
                    let template = self.tables.series.template(&source.prepared.series, &head);
                    let shared = self.known.as_ref().map(|known| known.shared(&template.row));
                    Open { kind, head, source, template, series: Map::default(), shared, recalled: Vec::new() }
                })
            }
            Err(rule) => Err(rule),
        };
        let mut index = 0usize;
        metric::data_fields(message, &found, &mut |tag, data| {
            if tag == metric::POINT {
                let made = match &mut opened {
                    Ok(opened) => self.point(batch, data, opened),
                    Err(rule) => Err(*rule),
                };
                if let Err(rule) = made {
                    batch.reject(rule, || format!("{}.{}.data_points[{index}]", path(), kind.name()));
                }
                index += 1;
            }
            Ok(true)
        })?;
        Ok(())
    }

    /// Make `labels` of the attributes of the point: their document, keys in order.
    fn read_labels(&mut self, counts: &mut Counts) {
        let tree = &mut self.point.tree;
        let shape = tree.read_attributes(&mut self.point.attributes, counts);
        self.nodes.clear();
        self.nodes.extend(tree.indexes(self.point.attributes));
        let node = |place: usize| tree.node(*self.nodes.get(place)?);
        let order = self.orders.get(shape, || {
            let mut order: Vec<usize> = (0..self.nodes.len()).collect();
            order.sort_unstable_by_key(|&place| node(place).map(|node| node.key));
            order
        });
        self.labels.clear();
        document::members(&mut self.labels, tree, order.iter().filter_map(|&place| node(place)), true);
    }

    /// Encode one point, or say the rule it breaks.
    fn point(&mut self, batch: &mut Batch<'_>, data: &'p [u8], opened: &mut Open<'p, '_>) -> Result<(), Rule> {
        let kind = opened.kind;
        if let Some(rule) = measure::exceeded(data, kind.schema(), self.limits).map_err(|_| RECORD_MALFORMED)? {
            return Err(rule);
        }
        let attributes = self.point.parse(data, kind).map_err(|_| RECORD_MALFORMED)?;
        let hash = self.hash(opened, attributes);
        let recalled = self.recall(batch, opened, hash, attributes);
        if recalled.is_none() {
            self.point.parse_attributes(attributes.unwrap_or(data), kind).map_err(|_| RECORD_MALFORMED)?;
        }
        self.point.check(kind, batch.now, &self.terms)?;
        if let Some(rule) = batch.full() {
            return Err(rule);
        }
        match recalled {
            Some(series) => {
                batch.name(self.tables.series.place(), &series.id, &series.row);
                self.row(batch, opened, &series.labels, &series.id);
                opened.recalled.push(series);
            }
            None => {
                let mut repaired = Counts::default();
                self.read_labels(&mut repaired);
                let id = self.series(batch, opened, hash, attributes.filter(|_| repaired.is_empty()))?;
                batch.repaired.add_all(&repaired);
                let labels = std::mem::take(&mut self.labels);
                self.row(batch, opened, &labels, &id);
                self.labels = labels;
            }
        }
        batch.name(self.sources, &opened.source.id, &opened.source.row);
        batch.accept(microseconds(self.point.time), None);
        if opened.head.temporality == Some(0) {
            batch.odd.add(TEMPORALITY_UNSPECIFIED, 1);
        }
        self.point.oddities(kind, &mut batch.odd);
        Ok(())
    }

    fn hash(&self, opened: &Open<'p, '_>, attributes: Option<&[u8]>) -> Option<u64> {
        Some(self.known.as_ref()?.hash(opened.shared.as_ref()?, attributes?))
    }

    /// The series if it is remembered. None of them is where rows of series take all they may: only `series` knows then
    /// which of this Metric's were named before.
    fn recall(
        &self,
        batch: &Batch<'_>,
        opened: &Open<'p, '_>,
        hash: Option<u64>,
        attributes: Option<&[u8]>,
    ) -> Option<Arc<Series>> {
        if batch.dimension_bytes > self.limits.dimension_rows_max_bytes {
            return None;
        }
        self.known.as_ref()?.get(hash?, opened.shared.as_ref()?, attributes?).cloned()
    }

    /// The id of the series with `labels`, which is named if it is new, and remembered if it came with these `attributes` before.
    fn series(
        &mut self,
        batch: &mut Batch<'_>,
        opened: &mut Open<'p, '_>,
        hash: Option<u64>,
        attributes: Option<&[u8]>,
    ) -> Result<Id, Rule> {
        let is_full = batch.dimension_bytes > self.limits.dimension_rows_max_bytes;
        if is_full {
            for series in opened.recalled.drain(..) {
                opened.series.insert(self.kept.alloc_slice_copy(&series.labels), series.id);
            }
        }
        if let Some(id) = opened.series.get(&self.labels[..]) {
            return Ok(*id);
        }
        // Before the row is made: it repeats the description, and a million points may have one of 60 MiB.
        if is_full {
            return Err(SOURCES_TOO_LARGE);
        }
        let (id, row) = opened.template.series(&self.labels, &mut self.room);
        opened.series.insert(self.kept.alloc_slice_copy(&self.labels), id);
        batch.name(self.tables.series.place(), &id, &row);
        if let (Some(known), Some(hash), Some(shared), Some(attributes)) = (&mut self.known, hash, &opened.shared, attributes)
            && known.is_seen(hash)
        {
            known.keep(hash, shared, attributes, &self.labels, id, &row);
        }
        Ok(id)
    }

    /// Write the row of the point, and count what was repaired with it.
    fn row(&mut self, batch: &mut Batch<'_>, opened: &mut Open<'p, '_>, labels: &[u8], id: &Id) {
        let kind = opened.kind;
        batch.repaired.add_all(&opened.head.repaired);
        opened.head.repaired.clear();
        self.point.read_exemplars(&mut batch.repaired);
        let (point, head) = (&self.point, &opened.head);
        batch.row(self.tables.points.place, |out| {
            self.tables.points.write(out, &opened.source.prepared.point, |out, op, max_bytes| match op {
                Op::Point(op) => point.write(out, op, kind, id),
                Op::Metric(MetricOp::Labels) => field::jsonb(out, labels),
                Op::Metric(op) => head.write(out, op, max_bytes),
            });
        });
    }
}

impl<'p> RecordEncoder<'p> for Metrics<'_, 'p> {
    type Prepared = Prepared;

    fn prepare(&self, speaker: &Speaker<'_>) -> Prepared {
        Prepared { point: speaker.share(&self.tables.points), series: self.tables.series.share(speaker) }
    }

    fn scope(
        &mut self,
        batch: &mut Batch<'_>,
        envelope: &Envelope<'p>,
        source: Result<&Source<Prepared>, Rule>,
    ) -> Result<(), Malformed> {
        let (resource, scope) = (envelope.resource_index, envelope.scope_index);
        for (index, message) in walk::records(envelope.message).enumerate() {
            let path = || format!("resource_metrics[{resource}].scope_metrics[{scope}].metrics[{index}]");
            self.metric(batch, message?, path, source)?;
        }
        Ok(())
    }

    fn finish(&mut self, batch: &mut Batch<'_>) {
        touched(&self.tables.touched, batch, "metrics");
    }
}
