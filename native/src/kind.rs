//! The kinds of metric data.

use crate::metric;
use crate::schema::{EXPONENTIAL_POINT, HISTOGRAM_POINT, NUMBER_POINT, SUMMARY_POINT, Schema};

/// One kind of data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Gauge,
    Sum,
    Histogram,
    ExponentialHistogram,
    Summary,
}

impl Kind {
    /// By the tag of the data.
    pub fn of(tag: u32) -> Option<Self> {
        Some(match tag {
            metric::GAUGE => Kind::Gauge,
            metric::SUM => Kind::Sum,
            metric::HISTOGRAM => Kind::Histogram,
            metric::EXPONENTIAL_HISTOGRAM => Kind::ExponentialHistogram,
            metric::SUMMARY => Kind::Summary,
            _ => return None,
        })
    }

    /// What it is called in rows and in a Metric.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Gauge => "gauge",
            Kind::Sum => "sum",
            Kind::Histogram => "histogram",
            Kind::ExponentialHistogram => "exponential_histogram",
            Kind::Summary => "summary",
        }
    }

    /// The message type of its points.
    pub fn schema(self) -> &'static Schema {
        match self {
            Kind::Gauge | Kind::Sum => &NUMBER_POINT,
            Kind::Histogram => &HISTOGRAM_POINT,
            Kind::ExponentialHistogram => &EXPONENTIAL_POINT,
            Kind::Summary => &SUMMARY_POINT,
        }
    }

    /// The tag of the attributes of its points.
    pub fn attributes(self) -> u32 {
        match self {
            Kind::Gauge | Kind::Sum | Kind::Summary => 0x3a,
            Kind::Histogram => 0x4a,
            Kind::ExponentialHistogram => 0x0a,
        }
    }

    /// Whether it says if it is delta or cumulative.
    pub fn has_temporality(self) -> bool {
        matches!(self, Kind::Sum | Kind::Histogram | Kind::ExponentialHistogram)
    }
}
