//! Export*ServiceRequest → rows: what the three signals have in common.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::rc::Rc;
use std::sync::Arc;

use crate::batch::{Batch, Id};
use crate::counts::{Counts, Rule, SOURCES_TOO_LARGE};
use crate::field;
use crate::limits::Limits;
use crate::op::BesideOp;
use crate::set::{Map, Set};
use crate::source::{Described, Reading, SourceTable, Speaker};
use crate::table::BesideTable;
use crate::walk::{self, Envelope};
use crate::wire::Malformed;

/// One resource and scope: the row of sources, and what the signal made of it once for all its records.
pub struct Source<Prepared> {
    /// Of the row.
    pub id: Id,
    /// A COPY row.
    pub row: Arc<[u8]>,
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

/// A Resource of the request. Its sources know it by its number: it may have millions of bytes, and thousands of scopes.
struct Resource<'p> {
    number: u32,
    described: walk::Described<'p>,
}

impl PartialEq for Resource<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.described == other.described
    }
}

impl Eq for Resource<'_> {}

impl Hash for Resource<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.described.hash(state);
    }
}

/// A source: the number of its resource, and its scope.
type Key<'p> = (u32, walk::Described<'p>);

/// The Resource* message that the walk is in.
struct Current<'p> {
    index: usize,
    resource: Rc<Resource<'p>>,
    /// For its first source that is new.
    read: Option<Result<Described, Rule>>,
}

/// The sources of one request, the oldest forgotten first, with the resources that they name.
struct Sources<'p, Prepared> {
    known: Map<Rc<Key<'p>>, Result<Known<Prepared>, Rule>>,
    oldest: VecDeque<(Rc<Key<'p>>, Rc<Resource<'p>>)>,
    resources: Set<Rc<Resource<'p>>>,
    numbered: u32,
    current: Option<Current<'p>>,
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
    let mut sources = Sources::new();
    walk::envelopes(payload, |envelope, resource, scope| {
        let resource = sources.enter(envelope.resource_index, resource);
        let key = Rc::new((resource.number, scope));
        if !sources.known.contains_key(&key) {
            sources.forget(reading.limits);
            let made = sources.new_source(batch, &key.1, records, table, reading);
            sources.known.insert(key.clone(), made);
            sources.oldest.push_back((key.clone(), resource));
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
    fn new() -> Self {
        Sources {
            known: Map::default(),
            oldest: VecDeque::new(),
            resources: Set::default(),
            numbered: 0,
            current: None,
            repairs_of_resource: None,
            bytes: 0,
        }
    }

    /// The resource of that Resource* message: equal ones are the same.
    fn enter(&mut self, index: usize, described: &walk::Described<'p>) -> Rc<Resource<'p>> {
        if let Some(current) = self.current.as_ref().filter(|current| current.index == index) {
            return current.resource.clone();
        }
        let asked = Resource { number: self.numbered, described: described.clone() };
        let resource = match self.resources.get(&asked) {
            Some(known) => known.clone(),
            None => {
                self.numbered += 1;
                let made = Rc::new(asked);
                self.resources.insert(made.clone());
                made
            }
        };
        self.current = Some(Current { index, resource: resource.clone(), read: None });
        resource
    }

    fn forget(&mut self, limits: &Limits) {
        if self.known.len() as u64 >= limits.cached_sources
            && let Some((key, resource)) = self.oldest.pop_front()
        {
            self.known.remove(&key);
            // It is held here and there: no other source names it.
            if Rc::strong_count(&resource) == 2 {
                self.resources.remove(&resource);
            }
        }
    }

    fn new_source<E: RecordEncoder<'p, Prepared = Prepared>>(
        &mut self,
        batch: &Batch<'_>,
        scope: &walk::Described<'p>,
        records: &E,
        table: &SourceTable,
        reading: &Reading<'_>,
    ) -> Result<Known<Prepared>, Rule> {
        if self.bytes > reading.limits.dimension_rows_max_bytes {
            return Err(SOURCES_TOO_LARGE);
        }
        let Some(Current { resource, read, .. }) = &mut self.current else { return Err(SOURCES_TOO_LARGE) };
        let resource = read.get_or_insert_with(|| reading.resource(&resource.described)).as_ref().map_err(|rule| *rule);
        let scope = reading.scope(scope);
        let (resource, scope) = (resource?, scope?);
        let mut speaker = Speaker { tenant: batch.tenant, now: batch.now, resource, scope: &scope, id: [0; 16] };
        let row = table.seal(&mut speaker);
        self.bytes += row.len() as u64;
        let prepared = records.prepare(&speaker);
        Ok(Known {
            source: Source { id: speaker.id, row: row.into(), prepared },
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
