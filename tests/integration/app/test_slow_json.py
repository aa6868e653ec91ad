"""JSON that is made to be slow stops nobody else, and not the end of the process."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack

from tests.contract.http.connection import JSON, post
from tests.plugins.load import Client, trace_request
from tests.plugins.service import Service, wait_for

DENSE = gzip.compress(b'{"x":0' + b',"a":1' * 3_000_000 + b"}", 1)
"""17 MiB, of which each member is asked for."""


def send(stack: ExitStack, service: Service, count: int) -> None:
    """So many of it, each on a connection of its own."""
    request = post(DENSE, content_type=JSON, content_encoding="gzip")
    for _ in range(count):
        connection = stack.enter_context(socket.create_connection(("127.0.0.1", service.http_port), timeout=10))
        connection.sendall(request)


def received(service: Service) -> float:
    """How many bodies of JSON have been read."""
    return service.metric('otlp_request_bytes_count{encoding="json",signal="traces",transport="http"}')


def test_it_stops_nobody_else(new_service: Callable[..., Service]) -> None:
    service = new_service().start()
    client = Client(service.endpoint)
    client.export(trace_request(1)[1])
    with ExitStack() as stack:
        send(stack, service, 5)
        wait_for(lambda: received(service) >= 4, 20, "the bodies are read")
        # The deadline is far below what reading takes, and leaves a hold of 40 % of it.
        client.export(trace_request(1)[1], timeout=4)
    client.close()


def test_it_does_not_outlive_the_end(new_service: Callable[..., Service]) -> None:
    service = new_service(SHUTDOWN_GRACE="4s").start()
    with ExitStack() as stack:
        send(stack, service, 1)
        wait_for(lambda: received(service) >= 1, 20, "the body is read")
        began = time.monotonic()
        service.terminate(20)
        assert time.monotonic() - began < 10
