"""A retried request is stored once: in a row, at once at two processes, and after the first reply was cut off."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from tests.plugins.load import Client, llm_span, request_of, trace_request
from tests.plugins.service import Service, wait_for

pytestmark = pytest.mark.timeout(120)

ROWS_OF = "SELECT count(*) FROM llm_traces WHERE trace_id = %s"


def rows_of(service: Service, trace_id: bytes) -> int:
    count: int = service.query(ROWS_OF, trace_id.hex())[0][0]
    return count


def test_the_same_bytes_twice_in_a_row(shared_service: Service) -> None:
    client = Client(shared_service.endpoint)
    trace_id, payload = trace_request()
    assert client.export(payload) == client.export(payload)
    assert rows_of(shared_service, trace_id) == 10


def test_a_retry_gets_the_first_answer(shared_service: Service) -> None:
    client = Client(shared_service.endpoint)
    good, bad = llm_span(b"\x07" * 16, 1), llm_span(b"\x07" * 16, 2)
    bad.span_id = b""
    payload = request_of(good, bad).SerializeToString()
    first, second = client.export(payload), client.export(payload)
    assert first.partial_success.rejected_spans == 1
    assert first == second
    assert rows_of(shared_service, b"\x07" * 16) == 1


def test_four_at_once_at_two_processes(shared_service: Service, new_service: Callable[..., Service]) -> None:
    other = new_service(DATABASE_URL=shared_service.dsn()).start()
    for _ in range(10):
        trace_id, payload = trace_request(50)
        with ThreadPoolExecutor(4) as pool:
            clients = [Client(endpoint) for endpoint in (shared_service.endpoint, other.endpoint) * 2]
            answers = list(pool.map(Client.export, clients, [payload] * 4))
        assert all(answer == answers[0] for answer in answers)
        assert rows_of(shared_service, trace_id) == 50


def test_after_the_first_reply_was_cut_off(shared_service: Service) -> None:
    trace_id, payload = trace_request(50)
    client = Client(shared_service.endpoint)
    cut_off = [deadline for deadline in (0.001, 0.003, 0.006, 0.012, 0.024) if not acknowledged(client, payload, deadline)]
    assert cut_off, "no reply was cut off: the test proves nothing"
    wait_for(lambda: acknowledged(client, payload, 10), 20, "the retry is acknowledged")
    assert rows_of(shared_service, trace_id) == 50


def acknowledged(client: Client, payload: bytes, deadline: float) -> bool:
    try:
        client.export(payload, timeout=deadline)
    except grpc.RpcError:
        return False
    return True
