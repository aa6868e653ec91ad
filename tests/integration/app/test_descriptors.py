"""A process that has few descriptors lives on."""

from __future__ import annotations

import resource
import socket
from collections.abc import Callable
from contextlib import ExitStack

from tests.plugins.load import Client, trace_request
from tests.plugins.service import Service, wait_for

FEW = 400


def test_idle_connections_end_nothing(new_service: Callable[..., Service]) -> None:
    service = new_service().start()
    resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE, (FEW, FEW))
    with ExitStack() as held:
        for _ in range(FEW):
            try:
                held.enter_context(socket.create_connection(("127.0.0.1", service.http_port), timeout=2))
            except OSError:
                break
        wait_for(lambda: service.get("/health/live")[0] in (200, 0), 10, "an answer, or none")
        assert service.process.poll() is None
    wait_for(lambda: service.get("/health/ready")[0] == 200, 30, "ready again")
    client = Client(service.endpoint)
    client.export(trace_request(1)[1])
    client.close()


def test_the_hard_limit_is_taken(new_service: Callable[..., Service]) -> None:
    service = new_service().start()
    soft, hard = resource.prlimit(service.process.pid, resource.RLIMIT_NOFILE)
    assert soft == hard
