//! The door to Python.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use crate::accepted::Terms;
use crate::batch::Batch;
use crate::counts::Counts;
use crate::program::{Program, Request, Signal};
use crate::spec::SPEC_VERSION;

pyo3::create_exception!(llm_observatory_codec, Refused, PyValueError, "A spec that cannot be run; `args` are the faults.");
pyo3::create_exception!(llm_observatory_codec, Malformed, PyValueError, "The outer framing of a request is broken.");

/// The codec compiled from one spec.
#[pyclass(frozen, module = "llm_observatory_codec")]
struct Codec(Program);

/// Without the interpreter's lock, and with no panic beyond.
fn apart<T: Send>(py: Python<'_>, work: impl FnOnce() -> T + Send) -> PyResult<T> {
    py.detach(|| catch_unwind(AssertUnwindSafe(work)))
        .map_err(|_| PyRuntimeError::new_err("the native codec panicked, which is a bug of it"))
}

fn signal_of(name: &str) -> PyResult<Signal> {
    Signal::parse(name).ok_or_else(|| PyValueError::new_err(format!("no codec for the signal '{name}'")))
}

#[pymethods]
impl Codec {
    #[new]
    fn new(py: Python<'_>, spec: &str) -> PyResult<Self> {
        apart(py, || Program::new(spec))?.map(Codec).map_err(|faults| {
            let faults = PyTuple::new(py, faults);
            faults.map_or_else(|error| error, |faults| Refused::new_err(faults.unbind()))
        })
    }

    /// What becomes of a request, as the fields of EncodedRequest in their order, with tables as (name, rows, chunks).
    #[allow(clippy::too_many_arguments)]
    fn encode<'py>(
        &self,
        py: Python<'py>,
        signal: &str,
        tenant: &str,
        payload: &Bound<'py, PyBytes>,
        digest: &Bound<'py, PyBytes>,
        now: i64,
        max_age_us: Option<i64>,
        max_ahead_us: i64,
        content_max_bytes: usize,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let request = Request {
            signal: signal_of(signal)?,
            tenant,
            payload: payload.as_bytes(),
            digest: digest.as_bytes(),
            now,
            terms: Terms { max_age_us, max_ahead_us, content_max_bytes },
        };
        let made = apart(py, || self.0.encode(&request))?;
        let batch = made.map_err(|malformed| Malformed::new_err(malformed.0))?;
        self.encoded(py, batch)
    }
}

impl Codec {
    fn encoded<'py>(&self, py: Python<'py>, mut batch: Batch<'_>) -> PyResult<Bound<'py, PyTuple>> {
        let mut tables = Vec::new();
        for (name, rows) in self.0.order.iter().zip(&mut batch.tables) {
            if rows.count == 0 {
                continue;
            }
            if !rows.open.is_empty() {
                rows.chunks.push(std::mem::take(&mut rows.open));
            }
            // One by one: the bytes of a chunk are not held twice for longer than it takes.
            let chunks: Vec<_> = rows.chunks.drain(..).map(|chunk| PyBytes::new(py, &chunk)).collect();
            tables.push((name, rows.count, PyTuple::new(py, chunks)?));
        }
        let dimensions = PyDict::new(py);
        for (name, dimension) in self.0.order.iter().zip(&mut batch.dimensions) {
            if dimension.rows.is_empty() {
                continue;
            }
            let rows = PyDict::new(py);
            for (id, row) in dimension.rows.drain(..) {
                rows.set_item(PyBytes::new(py, &id), PyBytes::new(py, &row))?;
            }
            dimensions.set_item(name, rows)?;
        }
        let hours: Vec<i64> = batch.hours().into_iter().map(|(hour, _)| hour).collect();
        let rejected = std::mem::take(&mut batch.rejected);
        PyTuple::new(
            py,
            [
                PyTuple::new(py, tables)?.into_any(),
                batch.accepted.into_pyobject(py)?.into_any(),
                dimensions.into_any(),
                PyTuple::new(py, rejected)?.into_any(),
                counts(py, &batch.rejected_by_rule)?.into_any(),
                counts(py, &batch.repaired)?.into_any(),
                counts(py, &batch.odd)?.into_any(),
                batch.times.map(|(first, _)| first).into_pyobject(py)?.into_any(),
                batch.times.map(|(_, last)| last).into_pyobject(py)?.into_any(),
                PyTuple::new(py, hours)?.into_any(),
                batch.untimed.into_pyobject(py)?.to_owned().into_any(),
            ],
        )
    }
}

fn counts<'py>(py: Python<'py>, counts: &Counts) -> PyResult<Bound<'py, PyDict>> {
    let found = PyDict::new(py);
    for (rule, times) in counts.iter() {
        found.set_item(rule, times)?;
    }
    Ok(found)
}

/// How many records the request holds: see the doorway.
#[pyfunction]
fn count_items(py: Python<'_>, signal: &str, payload: &Bound<'_, PyBytes>, limit: u64) -> PyResult<u64> {
    let (signal, payload) = (signal_of(signal)?, payload.as_bytes());
    apart(py, || Program::count_items(signal, payload, limit))?.map_err(|malformed| Malformed::new_err(malformed.0))
}

/// Whether the levels around the records hold at most `max_fields` fields: see the doorway.
#[pyfunction]
fn is_light(py: Python<'_>, signal: &str, payload: &Bound<'_, PyBytes>, max_fields: u64) -> PyResult<bool> {
    let (signal, payload) = (signal_of(signal)?, payload.as_bytes());
    apart(py, || Program::is_light(signal, payload, max_fields))
}

/// The native codec of LLM Observatory.
#[pymodule]
fn llm_observatory_codec(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("SPEC_VERSION", SPEC_VERSION)?;
    module.add("Refused", module.py().get_type::<Refused>())?;
    module.add("Malformed", module.py().get_type::<Malformed>())?;
    module.add_class::<Codec>()?;
    module.add_function(wrap_pyfunction!(count_items, module)?)?;
    module.add_function(wrap_pyfunction!(is_light, module)?)
}
