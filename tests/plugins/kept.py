"""What a `Load` was acknowledged, counted in the database: all of it, complete, once."""

from __future__ import annotations

from collections.abc import Callable

from llm_observatory.pipeline.signal import LOGS, METRICS, TRACES, Signal
from tests.plugins.load import Load
from tests.plugins.service import Service

PER_TRACE: dict[Signal, str] = {
    TRACES: "SELECT trace_id, count(*), count(DISTINCT span_id) FROM llm_traces GROUP BY trace_id",
    METRICS: "SELECT trace_id, count(*), count(DISTINCT int_value) FROM llm_metrics GROUP BY trace_id",
    LOGS: "SELECT trace_id, count(*), count(DISTINCT span_id) FROM llm_logs GROUP BY trace_id",
}
"""Rows of each request, and how many of them differ: `REQUESTS` numbers its items by span id, points by value."""


def assert_stored_once(service: Service, load: Load) -> None:
    """Every acknowledged request of `load` is stored with all its items; no request, acknowledged or not, in part or twice."""
    for signal in load.signals:
        acknowledged = load.acknowledged_of[signal]
        stored = {trace_id.bytes: (rows, distinct) for trace_id, rows, distinct in service.query(PER_TRACE[signal])}
        lost = [trace_id for trace_id in acknowledged if trace_id not in stored]
        assert not lost, f"{len(lost)} of {len(acknowledged)} acknowledged {signal.name} are lost; {load.statuses}"
        wrong = {trace_id: found for trace_id, found in stored.items() if found != (load.spans, load.spans)}
        assert not wrong, f"{len(wrong)} {signal.name} are stored in part or twice; {load.statuses}"


def acknowledged(load: Load, more: int) -> Callable[[], bool]:
    """Whether `more` requests of each signal were acknowledged from now on."""
    before = {signal: len(ids) for signal, ids in load.acknowledged_of.items()}
    return lambda: all(len(load.acknowledged_of[signal]) > before[signal] + more for signal in load.signals)
