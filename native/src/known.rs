//! Series that came before, remembered from request to request: an SDK exports the same ones every so often.
//!
//! What a series' id and row are follows from what all series of its Metric share (`Template::row`) and from the bytes of the
//! attributes of its point alone, so both are the key, compared to the byte. A series is kept when it comes for the second time:
//! those that come once, as from a hostile client, cost one word of a table of fixed size and push nobody out.

use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use foldhash::fast::RandomState;

use crate::batch::Id;
use crate::set::Map;

/// How many series are kept at most; with all of them forgotten the next ones are.
pub const SERIES_MAX: usize = 32_768;
/// Bytes of all that are kept, at most.
pub const BYTES_MAX: usize = 32 * 1024 * 1024;
/// Bytes of one, at most: a description may have 60 MiB.
pub const SERIES_MAX_BYTES: usize = 16 * 1024;
/// What a series takes beside its bytes: headers of four allocations and a place in the map.
const OVERHEAD: usize = 256;
/// How many hashes of series that came once are kept, a power of two.
const SEEN: usize = 65_536;

/// A series, ready to be written again.
pub struct Series {
    shared: Arc<[u8]>,
    attributes: Box<[u8]>,
    /// Its labels as JSON.
    pub labels: Box<[u8]>,
    /// Of the row.
    pub id: Id,
    /// Its COPY row.
    pub row: Arc<[u8]>,
}

impl Series {
    fn size(&self) -> usize {
        self.shared.len() + self.attributes.len() + self.labels.len() + self.row.len() + OVERHEAD
    }
}

/// What a series is looked up by: made of what its Metric shares, by `Known::shared`.
pub struct Shared {
    bytes: Arc<[u8]>,
    hash: u64,
}

/// The series that are remembered.
#[derive(Default)]
pub struct Known {
    random: RandomState,
    series: Map<u64, Arc<Series>>,
    bytes: usize,
    seen: Vec<u32>,
}

impl Known {
    /// What the series of a Metric share, from their row without labels and id.
    pub fn shared(&self, row: &[u8]) -> Shared {
        Shared { bytes: Arc::from(row), hash: self.random.hash_one(row) }
    }

    /// The hash of the series with these attributes as they came.
    #[inline]
    pub fn hash(&self, shared: &Shared, attributes: &[u8]) -> u64 {
        let mut hasher = self.random.build_hasher();
        hasher.write_u64(shared.hash);
        attributes.hash(&mut hasher);
        hasher.finish()
    }

    /// The series with this hash and these bytes.
    #[inline]
    pub fn get(&self, hash: u64, shared: &Shared, attributes: &[u8]) -> Option<&Arc<Series>> {
        let is_it = |series: &&Arc<Series>| *series.attributes == *attributes && series.shared == shared.bytes;
        self.series.get(&hash).filter(is_it)
    }

    /// Whether the series with this hash came before, and it is seen from now on.
    pub fn is_seen(&mut self, hash: u64) -> bool {
        if self.seen.is_empty() {
            self.seen = vec![0; SEEN];
        }
        let mark = (hash >> 32) as u32 | 1;
        self.seen.get_mut(hash as usize % SEEN).is_some_and(|seen| std::mem::replace(seen, mark) == mark)
    }

    /// Keep a series.
    pub fn keep(&mut self, hash: u64, shared: &Shared, attributes: &[u8], labels: &[u8], id: Id, row: &Arc<[u8]>) {
        let series =
            Series { shared: shared.bytes.clone(), attributes: attributes.into(), labels: labels.into(), id, row: row.clone() };
        let size = series.size();
        if size > SERIES_MAX_BYTES {
            return;
        }
        if self.series.len() >= SERIES_MAX || self.bytes + size > BYTES_MAX {
            self.series.clear();
            self.bytes = 0;
        }
        self.bytes += size;
        if let Some(before) = self.series.insert(hash, Arc::new(series)) {
            self.bytes -= before.size();
        }
    }

    /// How many series are kept, and their bytes.
    pub fn size(&self) -> (usize, usize) {
        (self.series.len(), self.bytes)
    }
}

/// The memory for one request: None while another one has it, which is slower and makes the same rows. A request
/// that panicked leaves nothing behind.
pub fn borrow(known: &Mutex<Known>) -> Option<MutexGuard<'_, Known>> {
    match known.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::WouldBlock) => None,
        Err(TryLockError::Poisoned(poisoned)) => {
            let mut guard = poisoned.into_inner();
            *guard = Known::default();
            known.clear_poison();
            Some(guard)
        }
    }
}
