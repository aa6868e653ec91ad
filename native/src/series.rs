//! What a data point is a value of: its Metric without the data, and the attributes of the point; the row of both by its id.

use std::sync::Arc;

use bumpalo::Bump;

use crate::accepted::int2;
use crate::batch::Id;
use crate::counts::{Counts, ENUM_OUT_OF_RANGE, METRIC_MALFORMED, Rule};
use crate::cursor::{Broken, Cursor, DEPTH_MAX};
use crate::document;
use crate::field;
use crate::kind::Kind;
use crate::limits::Limits;
use crate::measure;
use crate::metric::DataHead;
use crate::op::{MetricOp, SourceOp};
use crate::repair::repaired;
use crate::schema::METRIC;
use crate::spec::Table;
use crate::table::{Fill, RecordTable, Sealed, SharedFields, SplitSeal};
use crate::tree::{List, Tree};

/// A Metric without its data, read.
pub struct MetricHead {
    name: Vec<u8>,
    kind: Kind,
    unit: Vec<u8>,
    description: Vec<u8>,
    metadata: Option<Vec<u8>>,
    /// None for kinds that have none.
    pub temporality: Option<i16>,
    is_monotonic: Option<bool>,
    /// What was repaired in it.
    pub repaired: Counts,
}

impl MetricHead {
    /// The head of a Metric from its bytes; the rule it breaks, which refuses all its points.
    pub fn read(head: &[u8], data: &DataHead, kind: Kind, limits: &Limits) -> Result<Self, Rule> {
        if let Some(rule) = measure::exceeded(head, &METRIC, limits).map_err(|_| METRIC_MALFORMED)? {
            return Err(rule);
        }
        let parsed = Self::parse(head, kind).map_err(|Broken| METRIC_MALFORMED)?;
        if !kind.has_temporality() {
            return Ok(parsed);
        }
        let temporality = Some(int2(data.temporality).ok_or(ENUM_OUT_OF_RANGE)?);
        let is_monotonic = (kind == Kind::Sum).then_some(data.is_monotonic);
        Ok(MetricHead { temporality, is_monotonic, ..parsed })
    }

    fn parse(head: &[u8], kind: Kind) -> Result<Self, Broken> {
        let arena = Bump::new();
        let (mut tree, mut metadata) = (Tree::new(&arena), List::EMPTY);
        let (mut name, mut description, mut unit): (&[u8], &[u8], &[u8]) = (b"", b"", b"");
        let mut cursor = Cursor::new(head);
        while let Some(tag) = cursor.tag()? {
            match tag {
                0x0a => name = cursor.text()?,
                0x12 => description = cursor.text()?,
                0x1a => unit = cursor.text()?,
                0x62 => tree.key_value(cursor.delimited()?, DEPTH_MAX - 1, &mut metadata)?,
                _ => cursor.skip(tag, DEPTH_MAX)?,
            }
        }
        let mut counts = Counts::default();
        let mut json = None;
        if metadata.len > 0 {
            tree.read(&mut metadata, &mut counts);
            document::object(json.insert(Vec::new()), &tree, metadata, true);
        }
        Ok(MetricHead {
            name: repaired(name, &mut counts).into_owned(),
            kind,
            unit: repaired(unit, &mut counts).into_owned(),
            description: repaired(description, &mut counts).into_owned(),
            metadata: json,
            temporality: None,
            is_monotonic: None,
            repaired: counts,
        })
    }

    /// The field of one op; labels are the series' own.
    pub fn write(&self, out: &mut Vec<u8>, op: MetricOp, max_bytes: usize) {
        match op {
            MetricOp::Name => field::text(out, &self.name, max_bytes),
            MetricOp::Type => field::text(out, self.kind.name().as_bytes(), max_bytes),
            MetricOp::Unit => field::text(out, &self.unit, max_bytes),
            MetricOp::Description => field::text(out, &self.description, max_bytes),
            MetricOp::Temporality => match self.temporality {
                Some(temporality) => field::int2(out, temporality),
                None => field::null(out),
            },
            MetricOp::IsMonotonic => match self.is_monotonic {
                Some(is_monotonic) => field::boolean(out, is_monotonic),
                None => field::null(out),
            },
            MetricOp::Metadata => match &self.metadata {
                Some(json) => field::jsonb(out, json),
                None => field::null(out),
            },
            MetricOp::Labels => field::null(out),
        }
    }
}

/// How a column of the table of series is filled.
#[derive(Clone, Copy)]
enum SeriesOp {
    Metric(MetricOp),
    Id,
}

/// The compiled table of series.
pub struct SeriesTable {
    table: RecordTable<SeriesOp>,
    received: usize,
}

impl SeriesTable {
    /// A compiled table.
    pub fn new(table: &Table) -> Self {
        let parse = |op: &str| match op {
            "series.id" => Some(SeriesOp::Id),
            _ => MetricOp::parse(op).map(SeriesOp::Metric),
        };
        let table = RecordTable::new(table, parse);
        let received = table.shared_place(SourceOp::ReceivedDate).unwrap_or(usize::MAX);
        SeriesTable { table, received }
    }

    /// Its place in the order of writing.
    pub fn place(&self) -> usize {
        self.table.place
    }

    /// What all series of a source share.
    pub fn share(&self, speaker: &crate::source::Speaker<'_>) -> SharedFields {
        speaker.share(&self.table)
    }

    /// What all series of a Metric share.
    pub fn template(&self, shared: &SharedFields, head: &MetricHead) -> Template {
        let (mut out, mut sealed) = (Vec::new(), Sealed::default());
        let mut labels_at = 0;
        field::column_count(&mut out, self.table.columns);
        for &fill in &self.table.fills {
            let start = out.len();
            match fill {
                Fill::Shared(number) => {
                    out.extend_from_slice(shared.get(number));
                    if number == self.received {
                        sealed.leave_out(start, &out);
                    }
                }
                Fill::Own(SeriesOp::Metric(MetricOp::Labels), _) => labels_at = start,
                Fill::Own(SeriesOp::Metric(op), max_bytes) => head.write(&mut out, op, max_bytes),
                Fill::Own(SeriesOp::Id, _) => sealed.id(&mut out),
                Fill::Promoted(count) => (0..count).for_each(|_| field::null(&mut out)),
                Fill::Null => field::null(&mut out),
            }
        }
        let sealed = sealed.split(&out, labels_at);
        Template { row: out, labels_at, sealed }
    }
}

/// The row of the series of a Metric, but for their labels and ids.
pub struct Template {
    /// As it is with no labels and no id.
    pub row: Vec<u8>,
    labels_at: usize,
    sealed: SplitSeal,
}

impl Template {
    /// Id and COPY row of the series with these labels; it is made in `room`.
    pub fn series(&self, labels: &[u8], room: &mut Vec<u8>) -> (Id, Arc<[u8]>) {
        let (before, after) = self.row.split_at_checked(self.labels_at).unwrap_or_default();
        room.clear();
        room.extend_from_slice(before);
        field::jsonb(room, labels);
        let labels_end = room.len();
        room.extend_from_slice(after);
        let id = self.sealed.seal(room, labels_end);
        (id, Arc::from(&room[..]))
    }
}
