"""All signals of a dialect reach a receiver, and a signal that is refused is never passed over."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import grpc
import pytest

from demo import DemoError, provider, traffic
from demo.dialects import DIALECTS, Emitted
from demo.export import run_dialect

GENAI, OPENINFERENCE = DIALECTS


SERVICES = ("trace.v1.TraceService", "metrics.v1.MetricsService", "logs.v1.LogsService")


class Receiver:
    """Acknowledges every Export, but refuses those of the service whose name holds `refused`."""

    def __init__(self) -> None:
        self.refused = "nothing"
        self.exports: Counter[str] = Counter()

    def export(self, service: str, context: grpc.ServicerContext) -> bytes:
        self.exports[service] += 1
        if self.refused in service:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "refused by the test")
        return b""

    def handler(self, service: str) -> Any:
        def export(_request: bytes, context: grpc.ServicerContext) -> bytes:
            return self.export(service.rpartition(".")[2], context)

        return grpc.method_handlers_generic_handler(
            f"opentelemetry.proto.collector.{service}", {"Export": grpc.unary_unary_rpc_method_handler(export)}
        )


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
def endpoint(receiver: Receiver) -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2))
    server.add_generic_rpc_handlers(tuple(receiver.handler(service) for service in SERVICES))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "span_and_event")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def base_url() -> Iterator[str]:
    with provider.serve() as url:
        yield url


def test_all_signals_are_acknowledged(endpoint: str, receiver: Receiver, base_url: str) -> None:
    sent = run_dialect(GENAI, base_url, endpoint)
    assert receiver.exports == {"TraceService": 1, "LogsService": 1, "MetricsService": 1}
    for tally, items in ((sent.spans, GENAI.emits.spans), (sent.logs, GENAI.emits.logs), (sent.points, GENAI.emits.points)):
        assert tally.failed == 0
        assert len(set(tally.acknowledged)) == items
    (trace_id,) = {trace_id for trace_id, _ in sent.spans.acknowledged}
    assert {(trace_id, span_id) for _, span_id, _ in sent.logs.acknowledged} <= set(sent.spans.acknowledged)
    assert {key[0] for key in sent.logs.acknowledged} == {trace_id}
    assert {str(name) for name, _, _ in sent.points.acknowledged} >= {"gen_ai.client.token.usage"}


def test_a_dialect_that_knows_spans_only_sends_only_them(endpoint: str, receiver: Receiver, base_url: str) -> None:
    sent = run_dialect(OPENINFERENCE, base_url, endpoint)
    assert receiver.exports == {"TraceService": 1}
    assert (len(sent.spans.acknowledged), sent.logs.acknowledged, sent.points.acknowledged) == (6, [], [])


@pytest.mark.parametrize(
    "refused, counts",
    [
        ("Trace", "0 of 6 spans, 5 of 5 log records, 11 of 11 data points"),
        ("Logs", "6 of 6 spans, 0 of 5 log records, 11 of 11 data points"),
        ("Metrics", "6 of 6 spans, 5 of 5 log records, 0 of 11 data points"),
    ],
)
def test_a_refused_signal_is_an_error(endpoint: str, receiver: Receiver, base_url: str, refused: str, counts: str) -> None:
    receiver.refused = refused
    with pytest.raises(DemoError, match=counts):
        run_dialect(GENAI, base_url, endpoint)


def test_an_item_that_never_came_to_an_export_is_an_error(endpoint: str, base_url: str) -> None:
    with pytest.raises(DemoError, match="6 of 7 spans were acknowledged"):
        run_dialect(replace(OPENINFERENCE, emits=Emitted(spans=7)), base_url, endpoint)


def test_the_log_of_the_application_is_left_as_it_was(endpoint: str, base_url: str) -> None:
    run_dialect(GENAI, base_url, endpoint)
    assert traffic.LOGGER.handlers == []
    assert traffic.LOGGER.level == logging.NOTSET
