"""Memory of the service where requests are as large as they may be: below what `check` says, and everything is stored."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from llm_observatory.pipeline.signal import TRACES
from tests.plugins.load import Client, llm_span, request_of
from tests.plugins.service import Service

SENDERS = 8
SPANS, EXTRA_BYTES = 960, 64 * 1024
"""A request of 61 MiB; the limit is 64 MiB."""

ATTEMPTS, PAUSE_SECONDS = 60, 1.0


def _ceiling(service: Service) -> int:
    command = [sys.executable, "-m", "llm_observatory", "check", "--json"]
    # Its status speaks of ports and database, which the running service has.
    ran = subprocess.run(
        command, cwd=service.folder, env=service.environment, capture_output=True, text=True, timeout=60, check=False
    )
    found: int = json.loads(ran.stdout)["memory_ceiling_bytes"]
    return found


def _send(service: Service, trace_id: bytes) -> None:
    """One request, again while it is refused."""
    client = Client(service.endpoint)
    payload = request_of(*(llm_span(trace_id, number, extra=EXTRA_BYTES) for number in range(SPANS))).SerializeToString()
    try:
        for _ in range(ATTEMPTS):
            try:
                client.export(payload, 60, TRACES)
            except grpc.RpcError as refused:
                if refused.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                time.sleep(PAUSE_SECONDS)
            else:
                return
        pytest.fail("never stored")
    finally:
        client.close()


@pytest.mark.timeout(240)
def test_eight_requests_of_the_largest_size_at_once(new_service: Callable[..., Service]) -> None:
    service = new_service().start()
    peak, done = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.wait(0.05):
            peak = max(peak, service.memory())

    watching = threading.Thread(target=watch)
    watching.start()
    trace_ids = [uuid.uuid4().bytes for _ in range(SENDERS)]
    try:
        with ThreadPoolExecutor(SENDERS) as senders:
            list(senders.map(lambda trace_id: _send(service, trace_id), trace_ids))
    finally:
        done.set()
        watching.join()
    stored = service.query("SELECT trace_id, count(*) FROM llm_traces GROUP BY 1")
    assert {identity.bytes: spans for identity, spans in stored} == dict.fromkeys(trace_ids, SPANS)
    assert 100 * 1024**2 < peak < _ceiling(service)
