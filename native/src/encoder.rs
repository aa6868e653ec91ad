//! Export*ServiceRequest → rows: what the three signals have in common.

use std::collections::VecDeque;

use crate::batch::{Batch, Id};
use crate::counts::{Counts, Rule, SOURCES_TOO_LARGE};
use crate::field;
use crate::limits::Limits;
use crate::op::BesideOp;
use crate::set::Map;
use crate::source::{Described, Reading, SourceTable, Speaker};
use crate::table::BesideTable;
use crate::walk::{self, Envelope};
use crate::wire::Malformed;

/// One resource and scope: the row of sources, and what the signal made of it once for all its records.
pub struct Source<Prepared> {
    /// Of the row.
    pub id: Id,
    /// A COPY row.
    pub row: Vec<u8>,
    /// What all records share.
    pub prepared: Prepared,
}

struct Known<Prepared> {
    source: Source<Prepared>,
    resource_repaired: Counts,
    scope_repaired: Counts,
}

/// What differs between signals.
pub trait RecordEncoder<'p> {
    /// What the source decides.
    type Prepared;

    /// What all records of a source share.
    fn prepare(&self, speaker: &Speaker<'_>) -> Self::Prepared;

    /// Encode or reject every record of one Scope* message; `source` is the rule that refuses all when nobody speaks.
    fn scope(
        &mut self,
        batch: &mut Batch<'_>,
        envelope: &Envelope<'p>,
        source: Result<&Source<Self::Prepared>, Rule>,
    ) -> Result<(), Malformed>;

    /// Add the rows that sum up the request.
    fn finish(&mut self, batch: &mut Batch<'_>);
}

type Key<'p> = (walk::Described<'p>, walk::Described<'p>);

/// The sources of one request, the oldest forgotten first.
struct Sources<'p, Prepared> {
    known: Map<Key<'p>, Result<Known<Prepared>, Rule>>,
    oldest: VecDeque<Key<'p>>,
    resource: Option<(usize, Result<Described, Rule>)>,
    repairs_of_resource: Option<usize>,
    bytes: u64,
}

/// One request as rows.
pub fn encode<'p, E: RecordEncoder<'p>>(
    payload: &'p [u8],
    batch: &mut Batch<'_>,
    records: &mut E,
    table: &SourceTable,
    reading: &Reading<'_>,
) -> Result<(), Malformed> {
    let mut sources =
        Sources { known: Map::default(), oldest: VecDeque::new(), resource: None, repairs_of_resource: None, bytes: 0 };
    walk::envelopes(payload, |envelope| {
        let key = (envelope.resource.clone(), envelope.scope.clone());
        if !sources.known.contains_key(&key) {
            sources.forget(reading.limits);
            let made = sources.new_source(batch, envelope, records, table, reading);
            sources.known.insert(key.clone(), made);
            sources.oldest.push_back(key.clone());
        }
        let source = match sources.known.get(&key) {
            Some(Ok(known)) => {
                // Its repairs count at every occurrence.
                batch.repaired.add_all(&known.scope_repaired);
                if sources.repairs_of_resource != Some(envelope.resource_index) {
                    sources.repairs_of_resource = Some(envelope.resource_index);
                    batch.repaired.add_all(&known.resource_repaired);
                }
                Ok(&known.source)
            }
            Some(Err(rule)) => Err(*rule),
            None => Err(SOURCES_TOO_LARGE),
        };
        records.scope(batch, envelope, source)
    })?;
    records.finish(batch);
    Ok(())
}

impl<'p, Prepared> Sources<'p, Prepared> {
    fn forget(&mut self, limits: &Limits) {
        if self.known.len() as u64 >= limits.cached_sources
            && let Some(oldest) = self.oldest.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    fn new_source<E: RecordEncoder<'p, Prepared = Prepared>>(
        &mut self,
        batch: &Batch<'_>,
        envelope: &Envelope<'p>,
        records: &E,
        table: &SourceTable,
        reading: &Reading<'_>,
    ) -> Result<Known<Prepared>, Rule> {
        if self.bytes > reading.limits.dimension_rows_max_bytes {
            return Err(SOURCES_TOO_LARGE);
        }
        if self.resource.as_ref().is_none_or(|(index, _)| *index != envelope.resource_index) {
            self.resource = Some((envelope.resource_index, reading.resource(&envelope.resource)));
        }
        let Some((_, resource)) = &self.resource else { return Err(SOURCES_TOO_LARGE) };
        let scope = reading.scope(&envelope.scope);
        let resource = resource.as_ref().map_err(|rule| *rule)?;
        let scope = scope?;
        let mut speaker = Speaker { tenant: batch.tenant, now: batch.now, resource, scope: &scope, id: [0; 16] };
        let row = table.seal(&mut speaker);
        self.bytes += row.len() as u64;
        let prepared = records.prepare(&speaker);
        Ok(Known {
            source: Source { id: speaker.id, row, prepared },
            resource_repaired: resource.repaired.clone(),
            scope_repaired: scope.repaired,
        })
    }
}

/// One row per hour, oldest first: what changed.
pub fn touched(table: &BesideTable, batch: &mut Batch<'_>, signal: &str) {
    let (tenant, now) = (batch.tenant, batch.now);
    let hours: Vec<(i64, Vec<Id>)> = batch.hours().into_iter().map(|(hour, ids)| (hour, ids.to_vec())).collect();
    for (hour, ids) in &hours {
        batch.row(table.place, |out| {
            table.write(out, |out, op, max_bytes| match op {
                BesideOp::Tenant => field::text(out, tenant.as_bytes(), max_bytes),
                BesideOp::ReceivedAt => field::timestamptz(out, now),
                BesideOp::Signal => field::text(out, signal.as_bytes(), max_bytes),
                BesideOp::Hour => field::timestamptz(out, *hour),
                BesideOp::TraceIds => field::uuids(out, ids),
                _ => field::null(out),
            });
        });
    }
}
