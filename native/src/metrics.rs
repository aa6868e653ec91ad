//! Data points → rows of points, and of the series they are values of.

use bumpalo::Bump;

use crate::accepted::{Terms, microseconds};
use crate::batch::{Batch, Id};
use crate::counts::{Counts, METRIC_WITHOUT_DATA, RECORD_MALFORMED, Rule, SOURCES_TOO_LARGE, TEMPORALITY_UNSPECIFIED};
use crate::document;
use crate::encoder::{RecordEncoder, Source, touched};
use crate::field;
use crate::kind::Kind;
use crate::limits::Limits;
use crate::measure;
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
    /// Places of the attributes in the order of their keys.
    order: Vec<usize>,
    kept: &'p Bump,
}

impl<'t, 'p> Metrics<'t, 'p> {
    /// For one request.
    pub fn new(tables: &'t MetricTables, sources: usize, limits: &'t Limits, terms: Terms, kept: &'p Bump) -> Self {
        Metrics {
            tables,
            limits,
            terms,
            sources,
            point: Point::new(kept),
            labels: Vec::new(),
            nodes: Vec::new(),
            order: Vec::new(),
            kept,
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
                    Open { kind, head, source, template, series: Map::default() }
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
        let is_same = tree.read_attributes(&mut self.point.attributes, counts);
        self.nodes.clear();
        self.nodes.extend(tree.indexes(self.point.attributes));
        let node = |place: usize| tree.node(*self.nodes.get(place)?);
        if !is_same {
            self.order.clear();
            self.order.extend(0..self.nodes.len());
            self.order.sort_unstable_by_key(|&place| node(place).map(|node| node.key));
        }
        self.labels.clear();
        document::members(&mut self.labels, tree, self.order.iter().filter_map(|&place| node(place)), true);
    }

    /// Encode one point, or say the rule it breaks.
    fn point(&mut self, batch: &mut Batch<'_>, data: &'p [u8], opened: &mut Open<'p, '_>) -> Result<(), Rule> {
        let kind = opened.kind;
        if let Some(rule) = measure::exceeded(data, kind.schema(), self.limits).map_err(|_| RECORD_MALFORMED)? {
            return Err(rule);
        }
        self.point.parse(data, kind).map_err(|_| RECORD_MALFORMED)?;
        self.point.check(kind, batch.now, &self.terms)?;
        if let Some(rule) = batch.full() {
            return Err(rule);
        }
        let mut repaired = Counts::default();
        self.read_labels(&mut repaired);
        let id = match opened.series.get(&self.labels[..]) {
            Some(id) => *id,
            // Before the row is made: it repeats the description, and a million points may have one of 60 MiB.
            None if batch.dimension_bytes > self.limits.dimension_rows_max_bytes => return Err(SOURCES_TOO_LARGE),
            None => {
                let (id, row) = opened.template.series(&self.labels);
                opened.series.insert(self.kept.alloc_slice_copy(&self.labels), id);
                batch.name_new(self.tables.series.place(), id, row);
                id
            }
        };
        batch.repaired.add_all(&repaired);
        batch.repaired.add_all(&opened.head.repaired);
        opened.head.repaired.clear();
        self.point.read_exemplars(&mut batch.repaired);
        let (point, head, labels) = (&self.point, &opened.head, &self.labels);
        batch.row(self.tables.points.place, |out| {
            self.tables.points.write(out, &opened.source.prepared.point, |out, op, max_bytes| match op {
                Op::Point(op) => point.write(out, op, kind, &id),
                Op::Metric(MetricOp::Labels) => field::jsonb(out, labels),
                Op::Metric(op) => head.write(out, op, max_bytes),
            });
        });
        batch.name(self.sources, &opened.source.id, &opened.source.row);
        batch.accept(microseconds(point.time), None);
        if head.temporality == Some(0) {
            batch.odd.add(TEMPORALITY_UNSPECIFIED, 1);
        }
        point.oddities(kind, &mut batch.odd);
        Ok(())
    }
}

impl<'p> RecordEncoder<'p> for Metrics<'_, 'p> {
    type Prepared = Prepared;

    fn prepare(&self, speaker: &Speaker<'_>) -> Prepared {
        Prepared { point: self.tables.points.share(speaker), series: self.tables.series.share(speaker) }
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
