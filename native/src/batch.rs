//! What has been made of a request so far: rows by table, what was refused, repaired or odd, and when its records were.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::counts::{Counts, REQUEST_ROWS_TOO_LARGE, Rule};
use crate::limits::Limits;
use crate::set::{Map, Set};

const HOUR_US: i64 = 3_600_000_000;
/// What a chunk may have beyond what is expected of it before it is moved.
const ROOM: usize = 4096;

/// A trace id, or the id of a source or series.
pub type Id = [u8; 16];

/// Rows of one table, in chunks of about the spec's `chunk_bytes`.
#[derive(Default)]
pub struct Rows {
    /// How many.
    pub count: u64,
    /// Those that are full.
    pub chunks: Vec<Vec<u8>>,
    /// The one that is being filled: a row is written here.
    pub open: Vec<u8>,
    /// Bytes of the largest row.
    largest: usize,
}

/// Rows of one dimension in the order in which they were first named.
#[derive(Default)]
pub struct Dimension {
    /// Ids and rows.
    pub rows: Vec<(Id, Arc<[u8]>)>,
    known: Set<Id>,
}

/// One request on its way.
pub struct Batch<'p> {
    /// Whose it is.
    pub tenant: &'p str,
    /// When it was received, in microseconds since the Unix epoch.
    pub now: i64,
    /// By the place of the table.
    pub tables: Vec<Rows>,
    /// By the place of the table.
    pub dimensions: Vec<Dimension>,
    /// Bytes of all dimensions.
    pub dimension_bytes: u64,
    /// By rule.
    pub repaired: Counts,
    /// By rule.
    pub odd: Counts,
    /// The first of them with their paths.
    pub rejected: Vec<(String, Rule)>,
    /// All of them.
    pub rejected_by_rule: Counts,
    /// How many records.
    pub accepted: u64,
    /// Lowest and highest time of a record, in microseconds.
    pub times: Option<(i64, i64)>,
    hours: BTreeMap<i64, Hour>,
    hour: i64,
    in_hour: Hour,
    /// Whether some log record carries no time at all.
    pub untimed: bool,
    joined_bytes: u64,
    max_bytes: u64,
    chunk_bytes: usize,
    /// About how large the first chunk of a table becomes.
    first_bytes: usize,
    samples: usize,
}

impl<'p> Batch<'p> {
    /// Without anything.
    pub fn new(tenant: &'p str, now: i64, payload_bytes: usize, tables: usize, limits: &Limits) -> Self {
        Batch {
            tenant,
            now,
            tables: std::iter::repeat_with(Rows::default).take(tables).collect(),
            dimensions: std::iter::repeat_with(Dimension::default).take(tables).collect(),
            dimension_bytes: 0,
            repaired: Counts::default(),
            odd: Counts::default(),
            rejected: Vec::new(),
            rejected_by_rule: Counts::default(),
            accepted: 0,
            times: None,
            hours: BTreeMap::new(),
            hour: 0,
            in_hour: Hour::default(),
            untimed: false,
            joined_bytes: 0,
            max_bytes: limits.request_rows_max_bytes.max(limits.escaped_max.saturating_mul(payload_bytes as u64)),
            chunk_bytes: limits.chunk_bytes as usize,
            first_bytes: payload_bytes.min(limits.chunk_bytes as usize * 5 / 4) + ROOM,
            samples: limits.rejection_samples as usize,
        }
    }

    /// The rule that refuses the next record, when the rows take all that those of one request may.
    pub fn full(&self) -> Option<Rule> {
        (self.joined_bytes > self.max_bytes).then_some(REQUEST_ROWS_TOO_LARGE)
    }

    /// Write one row of a table.
    #[inline]
    pub fn row(&mut self, table: usize, write: impl FnOnce(&mut Vec<u8>)) {
        let Some(rows) = self.tables.get_mut(table) else { return };
        if rows.open.capacity() == 0 {
            rows.open.reserve(self.first_bytes);
        }
        let start = rows.open.len();
        write(&mut rows.open);
        rows.count += 1;
        rows.largest = rows.largest.max(rows.open.len() - start);
        if rows.open.len() >= self.chunk_bytes {
            self.joined_bytes += rows.open.len() as u64;
            // The row that fills a chunk must not move it: it would be copied once more.
            let next = Vec::with_capacity(self.chunk_bytes + rows.largest + ROOM);
            rows.chunks.push(std::mem::replace(&mut rows.open, next));
        }
    }

    /// One more record, at that time; `trace` is kept with its hour.
    pub fn accept(&mut self, time_us: i64, trace: Option<Id>) {
        self.accepted += 1;
        self.times = Some(match self.times {
            None => (time_us, time_us),
            Some((first, last)) => (first.min(time_us), last.max(time_us)),
        });
        let hour = time_us.div_euclid(HOUR_US);
        // Records of an hour come together.
        if hour != self.hour {
            self.close_hour();
            self.hour = hour;
            self.in_hour = self.hours.remove(&hour).unwrap_or_default();
        }
        self.in_hour.records += 1;
        if let Some(trace) = trace
            && self.in_hour.traces.last() != Some(&trace)
        {
            self.in_hour.add(trace);
        }
    }

    fn close_hour(&mut self) {
        if self.in_hour.records > 0 {
            self.hours.insert(self.hour, std::mem::take(&mut self.in_hour));
        }
    }

    /// One record refused.
    pub fn reject(&mut self, rule: Rule, path: impl FnOnce() -> String) {
        self.rejected_by_rule.add(rule, 1);
        if self.rejected.len() < self.samples {
            self.rejected.push((path(), rule));
        }
    }

    /// A row of a dimension is what an accepted record names by `id`.
    #[inline]
    pub fn name(&mut self, table: usize, id: &Id, row: &Arc<[u8]>) {
        let Some(dimension) = self.dimensions.get_mut(table) else { return };
        let was_last = dimension.rows.last().is_some_and(|(last, _)| last == id);
        if !was_last && dimension.known.insert(*id) {
            self.dimension_bytes += row.len() as u64;
            dimension.rows.push((*id, row.clone()));
        }
    }

    /// The hours in which records lie, in microseconds, with their trace ids in order.
    pub fn hours(&mut self) -> Vec<(i64, &[Id])> {
        self.close_hour();
        self.hours.values_mut().for_each(Hour::tidy);
        self.hours.iter().map(|(hour, held)| (hour * HOUR_US, held.traces.as_slice())).collect()
    }
}

/// What lies in an hour.
#[derive(Default)]
struct Hour {
    records: u64,
    traces: Vec<Id>,
    tidy: usize,
}

impl Hour {
    /// One more id; what repeats is thrown away from time to time, which is faster than to look for each.
    fn add(&mut self, trace: Id) {
        if self.traces.len() >= (2 * self.tidy).max(4096) {
            self.tidy();
        }
        self.traces.push(trace);
    }

    fn tidy(&mut self) {
        self.traces.sort_unstable();
        self.traces.dedup();
        self.tidy = self.traces.len();
    }
}

/// First and last time of each trace, in the order in which they first came.
pub struct TraceTimes {
    places: Map<Id, usize>,
    /// Ids with first and last time in microseconds.
    pub times: Vec<(Id, i64, i64)>,
}

impl TraceTimes {
    /// Without times; `payload_bytes` is the size of the request.
    pub fn new(payload_bytes: usize) -> Self {
        // A span of an SDK has some hundred bytes: the map need not grow for most requests.
        let spans = (payload_bytes / 512).min(4096);
        TraceTimes { places: Map::with_capacity_and_hasher(spans, Default::default()), times: Vec::with_capacity(spans) }
    }

    /// A span of that trace.
    pub fn see(&mut self, trace: Id, time_us: i64) {
        let place = match self.times.last() {
            // Spans of a trace come together.
            Some((last, ..)) if *last == trace => self.times.len() - 1,
            _ => *self.places.entry(trace).or_insert(self.times.len()),
        };
        match self.times.get_mut(place) {
            Some((_, first, last)) => {
                *first = time_us.min(*first);
                *last = time_us.max(*last);
            }
            None => self.times.push((trace, time_us, time_us)),
        }
    }
}
