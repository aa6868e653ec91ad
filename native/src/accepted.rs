//! What numbers, times and ids of a record can be stored.

use crate::batch::Id;
use crate::counts::{Rule, TOO_FAR_AHEAD, TOO_OLD};

/// The highest time, in nanoseconds, and the highest count.
pub const INT64_MAX: u64 = i64::MAX as u64;

/// On what terms records are taken in: see the doorway.
#[derive(Debug, Clone, Copy)]
pub struct Terms {
    /// None: any age.
    pub max_age_us: Option<i64>,
    /// How far ahead of now.
    pub max_ahead_us: i64,
    /// Bytes kept of an item of content.
    pub content_max_bytes: usize,
}

/// The rule that a record of this time breaks, None when it is accepted.
pub fn outside_window(time_us: i64, now: i64, terms: &Terms) -> Option<Rule> {
    match terms.max_age_us {
        Some(age) if time_us < now.saturating_sub(age) => Some(TOO_OLD),
        _ if time_us > now.saturating_add(terms.max_ahead_us) => Some(TOO_FAR_AHEAD),
        _ => None,
    }
}

/// Nanoseconds that are known to be within int64 as microseconds.
pub fn microseconds(nanoseconds: u64) -> i64 {
    (nanoseconds / 1000) as i64
}

/// What is left of them beyond microseconds.
pub fn remainder(nanoseconds: u64) -> i16 {
    (nanoseconds % 1000) as i16
}

/// The trace id: 16 bytes, not all zero.
pub fn trace_id(bytes: &[u8]) -> Option<Id> {
    Id::try_from(bytes).ok().filter(|id| *id != [0; 16])
}

/// Whether these are a span id: 8 bytes, not all zero.
pub fn is_span_id(bytes: &[u8]) -> bool {
    bytes.len() == 8 && bytes != [0; 8]
}

/// An enum as its column holds it.
pub fn int2(number: i32) -> Option<i16> {
    i16::try_from(number).ok()
}
