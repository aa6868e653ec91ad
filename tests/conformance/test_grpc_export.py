"""OTLP/gRPC: what Export answers to requests that are in order, or in order in parts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import grpc
import psycopg
import pytest

from tests.conformance.frames import GZIP, exchange, message_of, outcome
from tests.conformance.receiver import Client, Receiver, Seen, answers_of
from tests.conformance.signals import (
    LOGS,
    METRICS,
    PROFILES_METHOD,
    SIGNALS,
    TRACES,
    Signal,
    logs,
    padding,
    span,
    temporality,
    traces,
    unset,
)
from tests.plugins.hostile_wire import Style, tagged, write
from tests.plugins.wire import frame

EVERY_SIGNAL = pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
OK = "OK"


@EVERY_SIGNAL
@pytest.mark.requirement("G1", "MUST")
@pytest.mark.requirement("G6", "MUST")
async def test_export(receiver: Receiver, seen: Seen, signal: Signal) -> None:
    """Raw frames: the whole of the response is in sight."""
    response = await exchange(receiver, frame(signal.make(3).SerializeToString()), method=signal.method)
    assert outcome(response) == OK
    assert response.headers["content-type"].startswith("application/grpc")
    assert unset(signal.response.FromString(message_of(response)))
    seen(f"{signal.name}: OK with a message of {len(message_of(response))} bytes")


@pytest.mark.requirement("G1", "MUST")
@pytest.mark.parametrize(
    "method",
    [
        PROFILES_METHOD,
        f"/{TRACES.service}/Import",
        "/opentelemetry.proto.collector.trace.v9.TraceService/Export",
        f"/{TRACES.service}/Export/",
    ],
    ids=["profiles", "another method", "another service", "one slash too many"],
)
def test_what_is_not_served_is_unimplemented(client: Client, seen: Seen, method: str) -> None:
    answer = client.call(method, b"")
    seen(f"{method.partition('collector.')[2]}: {answer.code}")
    assert answer.code == "UNIMPLEMENTED" or (method == PROFILES_METHOD and answer.code == OK)
    assert client.export(traces()).code == OK, "the connection is of use afterwards"


@pytest.mark.requirement("G3", "MUST")
@pytest.mark.parametrize("compression", ["NoCompression", "Gzip"])
@EVERY_SIGNAL
def test_compression(receiver: Receiver, seen: Seen, signal: Signal, compression: str) -> None:
    client = receiver.client(grpc.Compression[compression])
    answer = client.export(signal.make(20), signal)
    client.channel.close()
    assert answer.code == OK
    assert unset(signal.response.FromString(answer.body))
    seen(f"{compression}: OK")


@pytest.mark.requirement("G3", "MUST")
async def test_a_response_lists_the_encodings_that_are_taken(receiver: Receiver, seen: Seen) -> None:
    """A message without compression may come under a grpc-encoding all the same."""
    response = await exchange(receiver, frame(traces().SerializeToString()), [GZIP])
    assert outcome(response) == OK
    accepted = response.headers.get("grpc-accept-encoding", "")
    seen(f"grpc-accept-encoding: {accepted}")
    assert "gzip" in accepted


def empty_requests(signal: Signal) -> dict[str, Any]:
    """A request that carries nothing, at every depth at which it can end."""
    without_items, without_scopes = signal.make(1), signal.make(1)
    [resource] = without_scopes.ListFields()[0][1]
    scopes = resource.DESCRIPTOR.fields_by_number[2].name
    resource.ClearField(scopes)
    scope = getattr(without_items.ListFields()[0][1][0], scopes)[0]
    scope.ClearField(scope.DESCRIPTOR.fields_by_number[2].name)
    return {
        "no bytes": b"",
        "no items in its scope": without_items,
        "no scope in its resource": without_scopes,
        "nothing known": padding(100),
    }


EMPTY = ["no bytes", "no items in its scope", "no scope in its resource", "nothing known"]


@pytest.mark.requirement("G7", "SHOULD")
@EVERY_SIGNAL
@pytest.mark.parametrize("form", EMPTY)
def test_an_empty_request_succeeds(client: Client, seen: Seen, signal: Signal, form: str) -> None:
    answer = client.export(empty_requests(signal)[form], signal)
    seen(f"{form}: {answer.code}")
    assert answer.code == OK
    assert unset(signal.response.FromString(answer.body))


@pytest.mark.requirement("G8", "MUST")
@pytest.mark.requirement("G8", "SHOULD")
@EVERY_SIGNAL
@pytest.mark.parametrize("good, bad", [(3, 2), (0, 2)], ids=["some", "all"])
def test_partial_success(receiver: Receiver, client: Client, seen: Seen, signal: Signal, good: int, bad: int) -> None:
    answer = client.export(signal.make(good, bad), signal)
    response = signal.response.FromString(answer.body)
    whole = answer.code != OK or unset(response)
    if receiver.service is None and whole:
        assert not answer.retryable
        pytest.skip("it takes or refuses requests as a whole")
    rejected = getattr(response.partial_success, signal.rejected)
    seen(f"{signal.rejected}: {rejected} of {good + bad}")
    assert rejected == bad
    assert response.partial_success.error_message


@pytest.mark.requirement("G8", "RECOMMENDED")
@pytest.mark.own_process("rows")
@EVERY_SIGNAL
def test_the_neighbours_of_a_bad_record_are_stored(receiver: Receiver, client: Client, seen: Seen, signal: Signal) -> None:
    before = receiver.rows(signal.table)
    assert client.export(signal.make(5, 2), signal).code == OK
    seen(f"{signal.table}: {receiver.rows(signal.table) - before} rows of 7")
    assert receiver.rows(signal.table) == before + 5


RECORDS: dict[str, Callable[[Any], Any]] = {
    "traces": lambda request: request.resource_spans[0].scope_spans[0].spans,
    "metrics": lambda request: request.resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points,
    "logs": lambda request: request.resource_logs[0].scope_logs[0].log_records,
}


@pytest.mark.requirement("G5", "MUST")
@EVERY_SIGNAL
def test_the_response_to_100_000_bad_records_is_small(receiver: Receiver, client: Client, seen: Seen, signal: Signal) -> None:
    request = signal.make(0, 1)
    records = RECORDS[signal.name](request)
    records.extend([records[0]] * 99_999)
    answer = client.export(request, signal, timeout=60)
    seen(f"{signal.name}: {answer.code}, below 4 MiB: {len(answer.body) < 4 * 2**20}")
    assert len(answer.body) + len(answer.message) < 4 * 2**20
    if receiver.service is not None:  # another one may have a smaller limit for requests
        assert answer.code == "OK"


@pytest.mark.requirement("G14", "MUST")
@EVERY_SIGNAL
def test_unknown_fields_are_ignored(client: Client, seen: Seen, signal: Signal) -> None:
    """Of every wire type, groups among them, in every message of the request."""
    answer = client.export(write(signal.make(2), Style(unknown=True)), signal)
    seen(f"{signal.name}: {answer.code}")
    assert answer.code == OK
    assert unset(signal.response.FromString(answer.body))


@pytest.mark.requirement("G14", "MUST")
@pytest.mark.own_process("rows")
@EVERY_SIGNAL
def test_what_is_known_beside_unknown_fields_is_stored(receiver: Receiver, client: Client, seen: Seen, signal: Signal) -> None:
    before = receiver.rows(signal.table)
    client.export(write(signal.make(2), Style(unknown=True)), signal)
    seen(f"{signal.table}: {receiver.rows(signal.table) - before} rows of 2")
    assert receiver.rows(signal.table) == before + 2


@pytest.mark.requirement("G14", "MUST")
def test_a_request_from_before_1_0_is_no_error(client: Client, seen: Seen) -> None:
    """InstrumentationLibrarySpans in field 1000 of ResourceSpans, as OTLP 0.15 to 0.19 had them. No receiver has to read it."""
    library = tagged(1, 2, b"\x0a\x03lib") + tagged(2, 2, span().SerializeToString())
    answer = client.export(tagged(1, 2, tagged(1000, 2, library)))
    seen(f"instrumentation_library_spans: {answer.code}")
    assert answer.code == OK


UNKNOWN_ENUMS: dict[str, tuple[Signal, Any]] = {
    "kind 99": (TRACES, lambda: traces(kind=99)),
    "status code 9": (TRACES, lambda: traces(status={"code": 9})),
    "severity 30": (LOGS, lambda: logs_with_severity(30)),
    "temporality 9": (METRICS, lambda: temporality(9)),
}


def logs_with_severity(number: int) -> bytes:
    request = logs()
    request.resource_logs[0].scope_logs[0].log_records[0].severity_number = number  # type: ignore[assignment]  # an open enum
    data: bytes = request.SerializeToString()
    return data


@pytest.mark.requirement("G15", "MUST")
@pytest.mark.parametrize("enum", UNKNOWN_ENUMS)
def test_unknown_enum_numbers_are_taken(client: Client, seen: Seen, enum: str) -> None:
    signal, make = UNKNOWN_ENUMS[enum]
    answer = client.export(make(), signal)
    seen(f"{enum}: {answer.code}")
    assert answer.code == OK
    assert not getattr(signal.response.FromString(answer.body).partial_success, signal.rejected)


@pytest.mark.requirement("G15", "RECOMMENDED")
@pytest.mark.own_process("rows")
def test_unknown_enum_numbers_are_stored_as_they_are(receiver: Receiver, client: Client, seen: Seen) -> None:
    for kind, code in ((99, 9), (32_767, 32_767)):
        request = traces(kind=kind, status={"code": code})
        assert client.export(request).code == OK
        trace_id = request.resource_spans[0].scope_spans[0].spans[0].trace_id
        sql = "SELECT span_kind, status_code FROM llm_traces WHERE trace_id = %s"
        assert receiver.ours.query(sql, trace_id.hex()) == [(kind, code)]
        seen(f"span_kind {kind}, status_code {code}")


@pytest.mark.requirement("G16", "SHOULD")
@EVERY_SIGNAL
def test_200_calls_at_once(client: Client, seen: Seen, signal: Signal) -> None:
    requests = [signal.make(2).SerializeToString() for _ in range(200)]
    answers = answers_of([client.start(signal.method, request) for request in requests])
    seen(f"{signal.name}: {sum(answer.code == OK for answer in answers)} of 200 OK")
    assert {answer.code for answer in answers} == {OK}


@pytest.mark.requirement("G16", "RECOMMENDED")
@pytest.mark.own_process("rows")
@EVERY_SIGNAL
def test_200_calls_at_once_are_each_stored_once(receiver: Receiver, client: Client, seen: Seen, signal: Signal) -> None:
    before = receiver.rows(signal.table)
    answers = answers_of([client.start(signal.method, signal.make(2).SerializeToString()) for _ in range(200)])
    assert {answer.code for answer in answers} == {OK}
    seen(f"{signal.table}: {receiver.rows(signal.table) - before} rows of 400")
    assert receiver.rows(signal.table) == before + 400


@pytest.mark.requirement("G17", "RECOMMENDED")
@pytest.mark.own_process("a table that is locked meanwhile")
def test_a_request_retried_after_its_deadline_is_stored_once(receiver: Receiver, client: Client, seen: Seen) -> None:
    request = traces(3)
    before = receiver.rows("llm_traces")
    with psycopg.connect(receiver.ours.dsn()) as other:
        other.execute("LOCK TABLE llm_traces IN SHARE MODE")
        first = client.export(request, timeout=0.3)
        other.rollback()
    # The first is under way still, or done: the answer to the second is that to both.
    deadline = time.monotonic() + 15
    while (second := client.export(request)).retryable and time.monotonic() < deadline:
        assert second.code == "UNAVAILABLE"
    seen(f"first {'not OK' if first.code != OK else OK}, retry {second.code}, {receiver.rows('llm_traces') - before} rows of 3")
    assert first.code in ("DEADLINE_EXCEEDED", "UNAVAILABLE")
    assert second.code == OK
    assert receiver.rows("llm_traces") == before + 3


@pytest.mark.requirement("G14", "MUST")
def test_records_of_another_signal_are_not_taken_for_this_one(receiver: Receiver, client: Client, seen: Seen) -> None:
    """The outer fields of all signals have the same numbers: a request of logs half parses as one of traces."""
    answer = client.call(TRACES.method, logs(2).SerializeToString())
    response = TRACES.response.FromString(answer.body)
    if receiver.service is None and answer.code == OK and unset(response):
        pytest.skip("it cannot be told from outside what became of them")
    seen(f"logs sent as traces: {answer.code}, {response.partial_success.rejected_spans} of 2 rejected")
    assert answer.code == "INVALID_ARGUMENT" or response.partial_success.rejected_spans == 2
