//! What is remembered of series stays within its limits, and is found again by its bytes alone.
#![allow(missing_docs)]

use std::sync::Arc;

use llm_observatory_codec::known::{BYTES_MAX, Known, SERIES_MAX, SERIES_MAX_BYTES};

fn keep(known: &mut Known, attributes: &[u8], row: &[u8]) -> u64 {
    let shared = known.shared(b"shared");
    let hash = known.hash(&shared, attributes);
    known.keep(hash, &shared, attributes, b"{}", [7; 16], &Arc::from(row));
    hash
}

#[test]
fn series_and_bytes_are_bounded() {
    let mut known = Known::default();
    for (row, least) in [(vec![0; 16], SERIES_MAX), (vec![0; SERIES_MAX_BYTES / 2], BYTES_MAX / SERIES_MAX_BYTES)] {
        let mut most = 0;
        for number in 0..2 * SERIES_MAX {
            keep(&mut known, &number.to_le_bytes(), &row);
            let (series, bytes) = known.size();
            assert!(series <= SERIES_MAX && bytes <= BYTES_MAX);
            most = most.max(series);
        }
        assert!(most >= least);
    }
}

#[test]
fn a_large_one_is_not_kept() {
    let mut known = Known::default();
    keep(&mut known, b"a", &vec![0; SERIES_MAX_BYTES]);
    assert_eq!(known.size(), (0, 0));
}

#[test]
fn the_hash_alone_finds_nothing() {
    let mut known = Known::default();
    let hash = keep(&mut known, b"a", b"row");
    let (shared, other) = (known.shared(b"shared"), known.shared(b"other"));
    assert!(known.get(hash, &shared, b"a").is_some());
    assert!(known.get(hash, &shared, b"b").is_none());
    assert!(known.get(hash, &other, b"a").is_none());
}

#[test]
fn what_came_once_is_seen_the_second_time() {
    let mut known = Known::default();
    let hash = known.hash(&known.shared(b"shared"), b"a");
    assert!(!known.is_seen(hash));
    assert!(known.is_seen(hash));
}
