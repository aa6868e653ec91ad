//! What the spec says may be taken at most.

use crate::spec::{Faults, Spec};

/// The spec's limits; `tables/limits.py` and `tables/rules.py` say what each is about.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Limits {
    pub values_max: u64,
    pub value_bytes: u64,
    pub counted_from_bytes: u64,
    pub row_max_bytes: u64,
    pub escaped_max: u64,
    pub content_rows_max_bytes: u64,
    pub request_rows_max_bytes: u64,
    pub dimension_rows_max_bytes: u64,
    pub cached_sources: u64,
    pub rejection_samples: u64,
    pub chunk_bytes: u64,
}

impl Limits {
    /// Those of a spec.
    pub fn new(spec: &Spec) -> Result<Self, Faults> {
        Ok(Limits {
            values_max: spec.limit("values_max")?,
            value_bytes: spec.limit("value_bytes")?,
            counted_from_bytes: spec.limit("counted_from_bytes")?,
            row_max_bytes: spec.limit("row_max_bytes")?,
            escaped_max: spec.limit("escaped_max")?,
            content_rows_max_bytes: spec.limit("content_rows_max_bytes")?,
            request_rows_max_bytes: spec.limit("request_rows_max_bytes")?,
            dimension_rows_max_bytes: spec.limit("dimension_rows_max_bytes")?,
            cached_sources: spec.limit("cached_sources")?,
            rejection_samples: spec.limit("rejection_samples")?,
            chunk_bytes: spec.limit("chunk_bytes")?,
        })
    }

    /// Fields visited before giving up.
    pub fn fields_max(&self) -> u64 {
        self.values_max.saturating_mul(6)
    }

    /// Below it no row can be larger than `row_max_bytes`.
    pub fn measured_from_bytes(&self) -> u64 {
        let strings = self.row_max_bytes.saturating_sub(self.values_max.saturating_mul(self.value_bytes));
        strings / self.escaped_max.max(1)
    }
}
