"""Signals do not wait for each other: one that is locked, or that fills the door, leaves the others their latency."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import mean, median

import grpc
import psycopg
import pytest

from llm_observatory.pipeline.signal import LOGS, METRICS, TRACES, Signal
from tests.plugins.kept import acknowledged, assert_stored_once
from tests.plugins.load import REQUESTS, Client, Load, retry_seconds
from tests.plugins.service import Service, wait_for

pytestmark = pytest.mark.timeout(90)

MIB = 1024 * 1024
ITEMS = 10
TOGETHER = 10
"""Acks whose mean is one value of the medians below. Where processes share cores an ack takes one, two or three of the 4 ms
that the kernel leaves a process its core, and the median of single acks jumps from one of them to the next."""

SLOWER = 1.2
NOISE_SECONDS = 0.001
"""What two medians may differ by on top, an ack being 3 ms on a quiet machine and 8 to 14 ms on a busy one: 4 ms more in one
ack of four, which two phases that were alike also had. What waits for a lock waits for a second."""

ROUNDS = 4
MOST_ROUNDS = 9
"""Rounds are added while the medians differ: more of them even out noise, and nothing else."""

PHASE_SECONDS = 1.5
LOG_CLIENT_SECONDS = 2.5
"""The deadline of one try, of which the service holds a request 40 %: each locked phase sees refusals."""

PROMPT_SECONDS = 0.1
"""The median beside requests that are encoded again and again, which takes CPU. Behind them it would be the hold: 2 s."""

Times = dict[Signal, list[float]]


class Probe:
    """A client of small requests, of one signal after the other: the seconds until they are acknowledged."""

    def __init__(self, endpoint: str, *signals: Signal) -> None:
        self._signals = signals
        self._client = Client(endpoint)

    def times(self, seconds: float) -> Times:
        """Send for so long: means of `TOGETHER` acks. Raises grpc.RpcError as soon as one is refused."""
        taken: Times = {signal: [] for signal in self._signals}
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            together = [self._acks() for _ in range(TOGETHER)]
            for signal in self._signals:
                taken[signal].append(mean(acks[signal] for acks in together))
        return taken

    def _acks(self) -> dict[Signal, float]:
        taken = {}
        for signal in self._signals:
            _, payload = REQUESTS[signal](ITEMS)
            began = time.monotonic()
            self._client.export(payload, timeout=5, signal=signal)
            taken[signal] = time.monotonic() - began
        return taken

    def close(self) -> None:
        self._client.close()


@contextmanager
def probing(service: Service, *signals: Signal) -> Iterator[Probe]:
    """A probe whose connection, partitions and dimensions are there already."""
    probe = Probe(service.endpoint, *signals)
    probe.times(0.5)
    yield probe
    probe.close()


@contextmanager
def locked(service: Service, table: str) -> Iterator[None]:
    """Nobody else reads or writes `table`."""
    with psycopg.connect(service.dsn()) as other:
        other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield


def lock_waits(service: Service) -> int:
    """Connections of the service that wait for a lock."""
    statement = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    count: int = service.query(statement)[0][0]
    return count


def add(all_times: Times, times: Times) -> None:
    for signal, taken in times.items():
        all_times.setdefault(signal, []).extend(taken)


def slower(quiet: Times, disturbed: Times) -> list[str]:
    """The signals whose medians are not alike, with both in milliseconds."""
    medians = {signal: (median(quiet[signal]), median(taken)) for signal, taken in disturbed.items()}
    return [
        f"{signal.name}: {after * 1000:.1f} ms instead of {before * 1000:.1f} ms"
        for signal, (before, after) in medians.items()
        if after >= SLOWER * before + NOISE_SECONDS
    ]


def assert_refused_for_a_retry(refusals: list[grpc.RpcError]) -> None:
    assert refusals
    for error in refusals:
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        assert retry_seconds(error) >= 1.0


def refused(service: Service, noun: str) -> float:
    return service.metric(f'otelcol_receiver_refused_{noun}{{receiver="otlp",transport="grpc"}}')


def test_locked_logs_leave_traces_and_metrics_their_latency(shared_service: Service) -> None:
    service = shared_service
    quiet: Times = {}
    beside: Times = {}
    loads: list[Load] = []
    before = {noun: refused(service, noun) for noun in ("spans", "metric_points", "log_records")}
    with probing(service, TRACES, METRICS) as probe:
        while len(loads) < ROUNDS or (slower(quiet, beside) and len(loads) < MOST_ROUNDS):
            add(quiet, probe.times(PHASE_SECONDS))
            with ExitStack() as lock:
                lock.enter_context(locked(service, "llm_logs"))
                with Load(service.endpoint, threads=6, signals=(LOGS,), timeout=LOG_CLIENT_SECONDS) as load:
                    loads.append(load)
                    wait_for(lambda: lock_waits(service) > 0, 10, "a committer of logs waits for the table")
                    add(beside, probe.times(PHASE_SECONDS))
                    assert not load.acknowledged_of[LOGS]
                    assert service.get("/health/ready")[0] == 200
                    lock.close()
                    wait_for(acknowledged(load, 6), 10, "logs are stored again")
    assert not slower(quiet, beside)
    assert {noun: refused(service, noun) > count for noun, count in before.items()} == {
        "spans": False,
        "metric_points": False,
        "log_records": True,
    }
    assert_refused_for_a_retry([error for load in loads for error in load.refusals])
    for load in loads:
        assert_stored_once(service, load)


def test_a_door_full_of_metrics_leaves_traces_their_reserve(shared_service: Service) -> None:
    service = shared_service

    def full() -> bool:
        return service.metric("ingest_inflight_bytes") > 30 * MIB and lock_waits(service) > 0

    # 6 MiB and their rows are more than the reserve of metrics: three of them are in the 40 MiB that all share, the other
    # three wait for room with a body in every read slot.
    with probing(service, TRACES) as probe, ExitStack() as lock:
        lock.enter_context(locked(service, "llm_metrics"))
        with Load(service.endpoint, 6, 100, signals=(METRICS,), extra=6 * MIB // 100, timeout=10) as load:
            wait_for(full, 20, "the door is full")
            beside = probe.times(PHASE_SECONDS)
            assert not load.acknowledged_of[METRICS]
            wait_for(full, 10, "the door is full to the end")
            lock.close()
    assert median(beside[TRACES]) < PROMPT_SECONDS
