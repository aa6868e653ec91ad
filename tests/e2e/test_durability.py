"""Acknowledged means committed, once, whatever is killed. Every test counts acknowledged traces in the database."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.plugins.load import Load
from tests.plugins.service import Service, wait_for

pytestmark = pytest.mark.timeout(180)

PER_TRACE = "SELECT trace_id, count(*), count(DISTINCT span_id) FROM llm_traces GROUP BY trace_id"


def stored_traces(service: Service) -> dict[bytes, tuple[int, int]]:
    """Trace id → rows and distinct spans."""
    return {trace_id.bytes: (rows, spans) for trace_id, rows, spans in service.query(PER_TRACE)}


def assert_stored_once(service: Service, load: Load) -> None:
    stored = stored_traces(service)
    lost = [trace_id for trace_id in load.acknowledged if trace_id not in stored]
    assert not lost, f"{len(lost)} of {len(load.acknowledged)} acknowledged traces are lost; {load.statuses}"
    wrong = {trace_id: found for trace_id, found in stored.items() if found != (load.spans, load.spans)}
    assert not wrong, f"{len(wrong)} traces are stored in part or twice; {load.statuses}"


def acknowledged(load: Load, more_than: int) -> Callable[[], bool]:
    return lambda: len(load.acknowledged) > more_than


def test_kill_9_of_the_service_loses_nothing_acknowledged(service: Service) -> None:
    with Load(service.endpoint) as load:
        for _ in range(2):
            wait_for(acknowledged(load, len(load.acknowledged) + 50), 30, "requests are acknowledged")
            service.kill()
            service.start()
        wait_for(acknowledged(load, len(load.acknowledged) + 50), 30, "requests are acknowledged after the restart")
    assert_stored_once(service, load)


def test_kill_9_of_postgresql_loses_nothing_acknowledged_and_the_service_recovers(service: Service) -> None:
    with Load(service.endpoint) as load:
        wait_for(acknowledged(load, 50), 30, "requests are acknowledged")
        service.postmaster().kill()
        wait_for(lambda: service.get("/health/ready")[0] != 200, 30, "the service notices")
        service.wait_ready()
        wait_for(acknowledged(load, len(load.acknowledged) + 50), 60, "requests are acknowledged again")
    assert_stored_once(service, load)
    assert set(load.statuses) <= {"OK", "UNAVAILABLE", "DEADLINE_EXCEEDED"}


def test_sigterm_under_load_ends_in_time_and_keeps_what_it_acknowledged(service: Service) -> None:
    with Load(service.endpoint) as load:
        wait_for(acknowledged(load, 50), 30, "requests are acknowledged")
        started = time.monotonic()
        assert service.terminate() == 0
        assert time.monotonic() - started < 20
        at_exit = len(load.acknowledged)
        service.start()
        wait_for(acknowledged(load, at_exit + 20), 30, "requests are acknowledged after the restart")
    assert_stored_once(service, load)
    assert set(load.statuses) <= {"OK", "UNAVAILABLE", "CANCELLED"}, "a client may only hear what makes it come back"


def test_a_frozen_postgresql_is_answered_as_unavailable_and_recovers(service: Service) -> None:
    with Load(service.endpoint) as load:
        wait_for(acknowledged(load, 20), 30, "requests are acknowledged")
        frozen = [service.postmaster(), *service.postmaster().children()]
        for process in frozen:
            process.suspend()
        try:
            wait_for(lambda: sum(load.statuses.values()) - load.statuses["OK"] > 4, 40, "clients are refused or time out")
        finally:
            for process in frozen:
                process.resume()
        wait_for(acknowledged(load, len(load.acknowledged) + 20), 60, "requests are acknowledged again")
    assert_stored_once(service, load)
    assert set(load.statuses) <= {"OK", "UNAVAILABLE", "DEADLINE_EXCEEDED"}
