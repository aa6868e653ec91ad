"""One bad record harms no other, and every value of a good one is found in SQL."""

from __future__ import annotations

import json
import signal
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from llm_observatory import tables
from tests.e2e.test_demo import run_demo
from tests.plugins.load import Client, llm_span, request_of, trace_request
from tests.plugins.service import Service, wait_for

pytestmark = pytest.mark.timeout(120)


def bad_spans(trace_id: bytes) -> list[Span]:
    """One span for each way to be refused that protobuf can carry."""
    spans = [llm_span(trace_id, 10_000 + number) for number in range(8)]
    spans[0].trace_id = b"\x01" * 15
    spans[1].trace_id = bytes(16)
    spans[2].span_id = b""
    spans[3].parent_span_id = b"\x01"
    spans[4].start_time_unix_nano = 2**63
    spans[5].start_time_unix_nano = 1
    spans[6].start_time_unix_nano += 30 * 86_400 * 10**9
    spans[7].kind = 2**31 - 1  # type: ignore[assignment]  # an open enum carries any int32
    return spans


def test_a_bad_one_of_each_kind_among_a_thousand(shared_service: Service) -> None:
    trace_id = uuid.uuid4().bytes
    good = [llm_span(trace_id, number) for number in range(1_000)]
    bad = bad_spans(trace_id)
    spans = list(good)
    for place, span in enumerate(bad):
        spans.insert(place * 100, span)
    request = request_of(*spans)
    # One more that protobuf itself refuses: a span whose name is not UTF-8.
    mark = b"name-to-be-broken"
    extra = llm_span(trace_id, 20_000)
    extra.name = mark.decode()
    request.resource_spans[0].scope_spans[0].spans.append(extra)
    payload = request.SerializeToString().replace(mark, b"\xff" * len(mark))

    answer = Client(shared_service.endpoint).export(payload)

    assert answer.partial_success.rejected_spans == len(bad) + 1
    assert "trace_id" in answer.partial_success.error_message
    stored = shared_service.query("SELECT span_id FROM llm_traces WHERE trace_id = %s", trace_id.hex())
    assert {bytes(span_id) for (span_id,) in stored} == {span.span_id for span in good}


def test_every_rejection_is_counted_by_rule(shared_service: Service) -> None:
    sample = 'otlp_records_rejected_total{rule="parent_span_id_invalid",signal="traces"}'
    before = shared_service.metric(sample)
    span = llm_span(uuid.uuid4().bytes, 1)
    span.parent_span_id = b"123"
    answer = Client(shared_service.endpoint).export(request_of(span).SerializeToString())
    assert answer.partial_success.rejected_spans == 1
    assert shared_service.metric(sample) == before + 1


def test_bytes_that_are_no_request_are_invalid_argument_and_the_next_request_succeeds(shared_service: Service) -> None:
    client = Client(shared_service.endpoint)
    trace_id, payload = trace_request()
    for broken in (b"\xff" * 100, payload[:-1], payload[: len(payload) // 2]):
        with pytest.raises(grpc.RpcError) as caught:
            client.export(broken)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    client.export(payload)
    assert len(shared_service.query("SELECT 1 FROM llm_traces WHERE trace_id = %s", trace_id.hex())) == 10


def test_an_empty_request_succeeds(shared_service: Service) -> None:
    client = Client(shared_service.endpoint)
    for empty in (b"", request_of().SerializeToString(), ExportTraceServiceRequest().SerializeToString()):
        assert client.export(empty).ByteSize() == 0


def test_nul_characters_are_repaired_and_counted(shared_service: Service) -> None:
    trace_id = uuid.uuid4().bytes
    span = llm_span(trace_id, 1)
    span.name = "a\0b"
    span.attributes[0].key = "nul\0key"
    Client(shared_service.endpoint).export(request_of(span).SerializeToString())
    [(name, attributes)] = shared_service.query(
        "SELECT span_name, attributes FROM llm_traces WHERE trace_id = %s", trace_id.hex()
    )
    assert name == "a\ufffdb"
    assert "nul\ufffdkey" in attributes
    assert shared_service.metric('otlp_values_repaired_total{rule="nul_replaced",signal="traces"}') >= 2


PROMPT = "What is the capital of \u00c5land? " * 50
ANSWER = "Mariehamn, of course."


def talking_span(trace_id: bytes) -> Span:
    """A span with a prompt, an answer in two attributes, and a message event."""
    span = llm_span(trace_id, 1)
    span.attributes.extend(
        [
            KeyValue(key="gen_ai.input.messages", value=AnyValue(string_value=PROMPT)),
            KeyValue(key="llm.output_messages.0.message.role", value=AnyValue(string_value="assistant")),
            KeyValue(key="llm.output_messages.0.message.content", value=AnyValue(string_value=ANSWER)),
        ]
    )
    said = ArrayValue(values=[AnyValue(string_value=ANSWER)])
    message = KeyValue(key="message", value=AnyValue(array_value=said))
    index = KeyValue(key="index", value=AnyValue(int_value=0))
    span.events.append(Span.Event(name="gen_ai.choice", time_unix_nano=span.start_time_unix_nano, attributes=[index, message]))
    return span


def stored(service: Service, trace_id: bytes) -> tuple[list[tuple[object, ...]], str]:
    """The content of a trace by kind and place, and the rest of its only span as text."""
    rows = service.query(
        "SELECT kind, carrier, event_index, attribute, is_json, body, original_length FROM llm_content"
        " WHERE trace_id = %s ORDER BY carrier, attribute",
        trace_id.hex(),
    )
    [(span,)] = service.query("SELECT to_jsonb(t)::text FROM llm_traces t WHERE trace_id = %s", trace_id.hex())
    return rows, span


@pytest.fixture
def reloaded(shared_service: Service) -> Iterator[Service]:
    """The shared service; its settings are as before when the test is over."""
    yield shared_service
    (shared_service.folder / ".env").unlink(missing_ok=True)
    reload(shared_service)


def reload(service: Service, *settings: str) -> None:
    """Change settings of the running service, as an operator does, and wait until they are in force."""
    said = "settings read again"
    before = service.log.read_text().count(said)
    if settings:
        (service.folder / ".env").write_text("\n".join(settings))
    service.process.send_signal(signal.SIGHUP)
    wait_for(lambda: service.log.read_text().count(said) > before, 10, "the reload is logged")


def test_content_is_stored_apart_and_as_much_of_it_as_the_operator_says(reloaded: Service) -> None:
    service, client = reloaded, Client(reloaded.endpoint)
    answer = {"llm.output_messages.0.message.role": "assistant", "llm.output_messages.0.message.content": ANSWER}
    family, message = json.dumps(answer, separators=(",", ":")), json.dumps([ANSWER])
    length = len(PROMPT.encode())

    def exported() -> tuple[list[tuple[object, ...]], str]:
        trace_id = uuid.uuid4().bytes
        client.export(request_of(talking_span(trace_id)).SerializeToString())
        return stored(service, trace_id)

    full, span = exported()
    assert full == [
        ("input", "span_attribute", None, "gen_ai.input.messages", False, PROMPT, length),
        ("output", "span_attribute", None, "llm.output_messages.#", True, family, len(family)),
        ("output", "span_event", 0, "message", True, message, len(message)),
    ]
    assert ANSWER not in span
    assert '"app.step": 1' in span
    assert '"attributes": {"index": 0}' in span

    reload(service, "CONTENT_CAPTURE=truncated", "CONTENT_PREVIEW_BYTES=24")
    truncated, same = exported()
    # The 24th byte is the first of two: the character is left out.
    assert [row[5:] for row in truncated] == [
        ("What is the capital of ", length),
        (family[:24], len(family)),
        (message[:24], len(message)),
    ]
    assert ANSWER not in same
    assert service.metric('otlp_values_repaired_total{rule="content_truncated",signal="traces"}') == 3

    reload(service, "CONTENT_CAPTURE=off")
    assert service.metric('otlp_values_repaired_total{rule="content_dropped",signal="traces"}') == 0
    nothing, same = exported()
    assert nothing == []
    assert ANSWER not in same
    assert "capital" not in same
    assert service.metric('otlp_values_repaired_total{rule="content_dropped",signal="traces"}') == 3

    reload(service, "CONTENT_CAPTURE=full", "CONTENT_MAX_BYTES=30")
    assert [len(str(row[5])) for row in exported()[0]] == [29, 30, len(message)]


def export_logs(service: Service, *records: LogRecord) -> None:
    """Send them as one request; all are accepted."""
    resource = Resource(attributes=[KeyValue(key="service.name", value=AnyValue(string_value="checkout"))])
    request = ExportLogsServiceRequest(
        resource_logs=[ResourceLogs(resource=resource, scope_logs=[ScopeLogs(log_records=records)])]
    )
    with grpc.insecure_channel(service.endpoint) as channel:
        export = channel.unary_unary("/opentelemetry.proto.collector.logs.v1.LogsService/Export", None, None)
        answer = export(request.SerializeToString(), timeout=10)
    assert answer == b""


def message_record(trace_id: bytes, **members: Any) -> LogRecord:
    """A message event in the body of a log record, and the same in an attribute."""
    said = KeyValueList(values=[KeyValue(key="content", value=AnyValue(string_value=ANSWER))])
    return LogRecord(
        trace_id=trace_id,
        time_unix_nano=time.time_ns(),
        body=AnyValue(kvlist_value=said),
        attributes=[
            KeyValue(key="gen_ai.output.messages", value=AnyValue(string_value=ANSWER)),
            KeyValue(key="app.step", value=AnyValue(int_value=1)),
        ],
        **members,
    )


def test_content_of_log_records_is_stored_apart_too(reloaded: Service) -> None:
    service = reloaded
    named = KeyValue(key="event.name", value=AnyValue(string_value="gen_ai.choice"))
    body = json.dumps({"content": ANSWER}, separators=(",", ":"))
    cut = 'otlp_values_repaired_total{rule="content_%s",signal="logs"}'

    def exported() -> tuple[list[tuple[object, ...]], list[str]]:
        trace_id = uuid.uuid4().bytes
        new, old = message_record(trace_id, event_name="gen_ai.choice"), message_record(trace_id)
        old.attributes.append(named)
        export_logs(service, new, old)
        logs = service.query("SELECT to_jsonb(t)::text FROM llm_logs t WHERE trace_id = %s", trace_id.hex())
        said = service.query(
            "SELECT c.kind, c.carrier, c.attribute, c.is_json, c.body, c.original_length FROM llm_content c JOIN llm_logs l"
            " ON l.tenant = c.tenant AND l.timestamp = c.timestamp AND l.id = c.log_id AND l.trace_id = c.trace_id"
            " AND l.service_name = c.service_name WHERE c.trace_id = %s ORDER BY l.event_name, c.carrier",
            trace_id.hex(),
        )
        return said, [text for (text,) in logs]

    said, logs = exported()
    of_one = [
        ("output", "log_attribute", "gen_ai.output.messages", False, ANSWER, len(ANSWER)),
        ("output", "log_body", "", True, body, len(body)),
    ]
    assert said == of_one * 2
    assert len(logs) == 2
    assert all(ANSWER not in text and '"app.step": 1' in text and '"body": null' in text for text in logs)

    reload(service, "CONTENT_CAPTURE=truncated", "CONTENT_PREVIEW_BYTES=5")
    said, logs = exported()
    assert [row[4:] for row in said] == [(ANSWER[:5], len(ANSWER)), (body[:5], len(body))] * 2
    assert not any(ANSWER in text for text in logs)
    assert service.metric(cut % "truncated") == 4

    reload(service, "CONTENT_CAPTURE=off")
    said, logs = exported()
    assert said == []
    assert len(logs) == 2
    assert not any(ANSWER in text for text in logs)
    assert service.metric(cut % "dropped") == 4


SENTENCES = ("What is", "in one sentence", "A span is one", "one timed step", "Are you there", "Paris", "weather of a city")
"""What the demo's application and its provider say to each other."""


def test_nothing_that_stock_instrumentations_write_of_messages_stays_in_spans_and_log_records(shared_service: Service) -> None:
    ran = run_demo("--endpoint", shared_service.endpoint, environment=shared_service.environment)
    assert ran.returncode == 0, ran.stderr
    records = [
        row
        for table in ("llm_traces", "llm_logs")
        for row in shared_service.query(
            f"SELECT service_name, to_jsonb(t)::text FROM {table} t WHERE service_name LIKE 'demo-%%'"
        )
    ]
    assert {service for service, _ in records} == {"demo-opentelemetry", "demo-openinference"}
    assert [(sentence, record) for _, record in records for sentence in SENTENCES if sentence in record] == []
    said = shared_service.query("SELECT DISTINCT service_name, kind FROM llm_content WHERE service_name LIKE 'demo-%%'")
    kinds = {"input", "output", "tool_definitions"}
    assert {("demo-opentelemetry", kind) for kind in kinds} <= set(said)
    assert {("demo-openinference", kind) for kind in kinds | {"documents"}} <= set(said)


def test_switched_off_no_sentence_of_stock_instrumentations_is_in_any_table(new_service: Callable[..., Service]) -> None:
    service = new_service(CONTENT_CAPTURE="off").start()
    ran = run_demo("--endpoint", service.endpoint, environment=service.environment)
    assert ran.returncode == 0, ran.stderr
    assert "acknowledged by" in ran.stdout
    found = {
        table.name: [text for (text,) in service.query(f"SELECT to_jsonb(t)::text FROM {table.name} t")]
        for table in tables.TABLES
    }
    # Maintenance takes rows from one queue to the other.
    empty = {name for name, rows in found.items() if not rows} - {"ingest_touched", "rollup_pending", "usage_pending"}
    # Filters are of hours that are over, operators did nothing, and each call is there once.
    nothing = {"dead_letters", "search_filters", "usage_corrections", "backups", "maintenance_mode"}
    assert empty == {"llm_content", *nothing}
    assert [(name, text) for name, rows in found.items() for text in rows for said in SENTENCES if said in text] == []
    assert (len(found["llm_traces"]), len(found["llm_logs"])) == (12, 5)
    for signal_name in ("traces", "logs"):
        assert service.metric(f'otlp_values_repaired_total{{rule="content_dropped",signal="{signal_name}"}}') > 4
