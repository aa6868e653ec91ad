//! The native codec of LLM Observatory: OTLP bytes → rows in PostgreSQL's binary COPY format.
//!
//! The readable specification is the Python package `llm_observatory.codec.reference`; modules here are named after its.
#![forbid(unsafe_code)]
#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod accepted;
pub mod attribute;
pub mod batch;
pub mod buckets;
pub mod content;
pub mod content_rows;
pub mod conversion;
pub mod convert;
pub mod counts;
pub mod cursor;
pub mod document;
pub mod encoder;
pub mod exemplar;
pub mod field;
pub mod json;
pub mod key;
pub mod kind;
pub mod known;
pub mod limits;
pub mod log;
pub mod logs;
pub mod measure;
pub mod memory;
pub mod metric;
pub mod metrics;
pub mod op;
pub mod point;
pub mod program;
pub mod promote;
pub mod repair;
pub mod reported;
pub mod schema;
pub mod series;
pub mod set;
pub mod source;
pub mod span;
pub mod spec;
pub mod table;
pub mod traces;
pub mod tree;
pub mod usage;
pub mod walk;
pub mod wire;

#[cfg(feature = "python")]
mod python;
