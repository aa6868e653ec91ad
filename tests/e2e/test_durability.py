"""Acknowledged means committed, once, whatever is killed. Every test counts acknowledged requests in the database."""

from __future__ import annotations

import time

import pytest

from llm_observatory.pipeline.signal import SIGNALS
from tests.plugins.kept import acknowledged, assert_stored_once
from tests.plugins.load import Load
from tests.plugins.service import Service, wait_for

pytestmark = pytest.mark.timeout(180)


def mixed_load(service: Service) -> Load:
    """Two clients a signal."""
    return Load(service.endpoint, threads=2 * len(SIGNALS), signals=SIGNALS)


def test_kill_9_of_the_service_loses_nothing_acknowledged(service: Service) -> None:
    with mixed_load(service) as load:
        for _ in range(2):
            wait_for(acknowledged(load, 20), 30, "requests are acknowledged")
            service.kill()
            service.start()
        wait_for(acknowledged(load, 20), 30, "requests are acknowledged after the restart")
    assert_stored_once(service, load)


def test_kill_9_of_postgresql_loses_nothing_acknowledged_and_the_service_recovers(service: Service) -> None:
    with mixed_load(service) as load:
        wait_for(acknowledged(load, 20), 30, "requests are acknowledged")
        service.postmaster().kill()
        wait_for(lambda: service.get("/health/ready")[0] != 200, 30, "the service notices")
        service.wait_ready()
        wait_for(acknowledged(load, 20), 60, "requests are acknowledged again")
    assert_stored_once(service, load)
    assert set(load.statuses) <= {"OK", "UNAVAILABLE", "DEADLINE_EXCEEDED"}


def test_sigterm_under_load_ends_in_time_and_keeps_what_it_acknowledged(service: Service) -> None:
    with Load(service.endpoint) as load:
        wait_for(acknowledged(load, 20), 30, "requests are acknowledged")
        started = time.monotonic()
        assert service.terminate() == 0
        assert time.monotonic() - started < 20
        service.start()
        wait_for(acknowledged(load, 20), 30, "requests are acknowledged after the restart")
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
        wait_for(acknowledged(load, 20), 60, "requests are acknowledged again")
    assert_stored_once(service, load)
    assert set(load.statuses) <= {"OK", "UNAVAILABLE", "DEADLINE_EXCEEDED"}
