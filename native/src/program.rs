//! The spec as all encoders need it, and the encoder of each signal.

use std::sync::Mutex;

use bumpalo::Bump;

use crate::accepted::Terms;
use crate::batch::Batch;
use crate::encoder;
use crate::known::{self, Known};
use crate::limits::Limits;
use crate::log::Ids;
use crate::logs::{LogTables, Logs};
use crate::metrics::{MetricTables, Metrics};
use crate::source::{Reading, SourceTable};
use crate::spec::{Faults, Spec};
use crate::traces::{TraceTables, Traces};
use crate::walk;
use crate::wire::Malformed;

/// One of the three kinds of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Signal {
    Traces,
    Metrics,
    Logs,
}

impl Signal {
    /// The signal of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "traces" => Signal::Traces,
            "metrics" => Signal::Metrics,
            "logs" => Signal::Logs,
            _ => return None,
        })
    }
}

/// Everything compiled from one spec.
pub struct Program {
    /// All tables in the order of writing.
    pub order: Vec<String>,
    limits: Limits,
    sources: SourceTable,
    traces: TraceTables,
    metrics: MetricTables,
    logs: LogTables,
    known: Mutex<Known>,
}

/// A request as it came.
#[derive(Clone, Copy)]
pub struct Request<'p> {
    /// What it holds.
    pub signal: Signal,
    /// Whose it is.
    pub tenant: &'p str,
    /// The protobuf form of an Export*ServiceRequest.
    pub payload: &'p [u8],
    /// That of the bytes as they came.
    pub digest: &'p [u8],
    /// When it was received, in microseconds since the Unix epoch.
    pub now: i64,
    /// On what terms records are taken in.
    pub terms: Terms,
}

impl Program {
    /// The program of the spec in `text`, or why there is none.
    pub fn new(text: &str) -> Result<Self, Faults> {
        let spec = Spec::load(text)?;
        Ok(Program {
            order: spec.tables.iter().map(|table| table.name.clone()).collect(),
            limits: Limits::new(&spec)?,
            sources: SourceTable::new(spec.filled_by("resource.attributes", "dimension")?),
            traces: TraceTables::new(&spec)?,
            metrics: MetricTables::new(&spec)?,
            logs: LogTables::new(&spec)?,
            known: Mutex::default(),
        })
    }

    /// A request as rows. Err when its outer framing is broken.
    pub fn encode<'p>(&self, request: &Request<'p>) -> Result<Batch<'p>, Malformed> {
        let &Request { signal, tenant, payload, digest, now, terms } = request;
        let repaired = Bump::new();
        let mut batch = Batch::new(tenant, now, payload.len(), self.order.len(), &self.limits);
        let (sources, limits) = (self.sources.place(), &self.limits);
        let reading = Reading { limits, promotion: &self.traces.promotion };
        match signal {
            Signal::Traces => {
                let mut records = Traces::new(&self.traces, sources, limits, terms, payload.len(), &repaired);
                encoder::encode(payload, &mut batch, &mut records, &self.sources, &reading)?;
            }
            Signal::Metrics => {
                let mut records = Metrics::new(&self.metrics, sources, limits, terms, &repaired, known::borrow(&self.known));
                encoder::encode(payload, &mut batch, &mut records, &self.sources, &reading)?;
            }
            Signal::Logs => {
                let mut records = Logs::new(&self.logs, sources, limits, terms, Ids::new(digest, now), &repaired);
                encoder::encode(payload, &mut batch, &mut records, &self.sources, &reading)?;
            }
        }
        Ok(batch)
    }

    /// How many records a request holds: see the doorway.
    pub fn count_items(signal: Signal, payload: &[u8], limit: u64) -> Result<u64, Malformed> {
        walk::count(payload, signal == Signal::Metrics, limit)
    }

    /// Whether the levels around the records hold at most `max_fields` fields: see the doorway.
    pub fn is_light(signal: Signal, payload: &[u8], max_fields: u64) -> bool {
        walk::is_light(payload, signal == Signal::Metrics, max_fields)
    }
}
