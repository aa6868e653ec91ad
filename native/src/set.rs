//! Maps and sets whose keys a client chooses: seeded anew in every process.

use foldhash::fast::RandomState;

/// A map.
pub type Map<K, V> = std::collections::HashMap<K, V, RandomState>;
/// A set.
pub type Set<K> = std::collections::HashSet<K, RandomState>;
