"""What a client is told when its data is not taken."""

from __future__ import annotations

import asyncio

import grpc
import pytest
import structlog
from google.rpc.error_details_pb2 import RetryInfo  # type: ignore[import-untyped]  # ships no stubs
from grpc import aio
from grpc_status import rpc_status

from llm_observatory.errors import (
    ConfigError,
    DataRejected,
    EmbeddedServerError,
    InvalidPayload,
    MissingPartition,
    ObservatoryError,
    Overloaded,
    RequestTooLarge,
    SchemaMismatch,
    ShuttingDown,
    StorageError,
    StorageUnavailable,
    Unauthenticated,
)
from llm_observatory.metrics import RECEIVER_FAILED, RECEIVER_REFUSED, REFUSED_REQUESTS
from llm_observatory.otlp.receive import COUNT_MAX_ITEMS, KEEP_MAX_BYTES
from tests.contract.otlp.conftest import Otlp, Start, trailers
from tests.contract.otlp.payloads import counted, trace_request
from tests.contract.otlp.waiting import until
from tests.plugins.wire import frame, raw_client

SECRET = 'relation "llm_traces" on host db.internal: Traceback (most recent call last) psycopg'
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


async def failure_of(otlp: Otlp, request: bytes, deadline: float | None = None) -> aio.AioRpcError:
    with pytest.raises(aio.AioRpcError) as failure:
        await otlp.export(request, timeout=deadline)
    return failure.value


def retry_hints(error: aio.AioRpcError) -> list[float]:
    """The delays of both trailers, seconds."""
    hints = []
    if (direct := trailers(error).get("google.rpc.retryinfo-bin")) is not None:
        hints.append(RetryInfo.FromString(direct).retry_delay.ToTimedelta().total_seconds())
    # The stubs of grpc-status know only the call of the thread-based client; the error has the same methods.
    status = rpc_status.from_call(error)  # type: ignore[arg-type]
    for detail in status.details if status is not None else ():
        retry = RetryInfo()
        assert detail.type_url == "type.googleapis.com/google.rpc.RetryInfo"
        assert detail.Unpack(retry)
        hints.append(retry.retry_delay.ToTimedelta().total_seconds())
    return hints


@pytest.mark.parametrize(
    "error, code, hint",
    [
        (Overloaded(), UNAVAILABLE, 1.0),
        pytest.param(Overloaded(retry_after=2.5), UNAVAILABLE, 2.5, id="Overloaded-longer"),
        (ShuttingDown(), UNAVAILABLE, 1.0),
        (StorageUnavailable(SECRET), UNAVAILABLE, 1.0),
        (SchemaMismatch(SECRET, "42P01"), UNAVAILABLE, 1.0),
        (MissingPartition(SECRET), UNAVAILABLE, 1.0),
        (EmbeddedServerError(SECRET), UNAVAILABLE, 1.0),
        (StorageError(SECRET), UNAVAILABLE, 1.0),
        (ConfigError([SECRET]), UNAVAILABLE, 1.0),
        (RuntimeError(SECRET), UNAVAILABLE, 1.0),
        (MemoryError(), UNAVAILABLE, 1.0),
        (InvalidPayload("resource_spans[0] is cut off"), grpc.StatusCode.INVALID_ARGUMENT, None),
        (RequestTooLarge("more than 10 records"), grpc.StatusCode.RESOURCE_EXHAUSTED, None),
        (DataRejected(SECRET), grpc.StatusCode.INTERNAL, None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_each_error_has_its_status(otlp: Otlp, error: Exception, code: grpc.StatusCode, hint: float | None) -> None:
    otlp.ingest.failures.append(error)
    failure = await failure_of(otlp, trace_request())
    assert failure.code() is code
    assert retry_hints(failure) == ([hint, hint] if hint is not None else [])
    text = (failure.details() or "") + str(failure.trailing_metadata())
    assert not any(word in text for word in ("llm_traces", "db.internal", "psycopg", "Traceback"))
    assert failure.details()
    assert await otlp.export(trace_request()) == b""


def test_every_retryable_error_is_unavailable() -> None:
    def below(kind: type[ObservatoryError]) -> list[type[ObservatoryError]]:
        return [kind, *(deeper for child in kind.__subclasses__() for deeper in below(child))]

    retryable = [kind for kind in below(ObservatoryError) if kind.retryable]
    assert Overloaded in retryable
    assert {kind.grpc_code for kind in retryable} == {"UNAVAILABLE"}


async def test_a_refusal_is_trailers_only(otlp: Otlp) -> None:
    otlp.ingest.failures.append(Overloaded())
    async with raw_client(otlp.port) as client:
        stream = await client.call()
        await client.send(stream, frame(trace_request()), end=True)
        response = await client.response(stream)
    assert response.status == UNAVAILABLE.value[0]
    assert response.header_blocks == 1
    assert response.body == b""
    assert {"grpc-status-details-bin", "google.rpc.retryinfo-bin"} <= response.headers.keys()


async def test_an_unexpected_error_is_logged_with_its_traceback(otlp: Otlp) -> None:
    otlp.ingest.failures.append(RuntimeError(SECRET))
    with structlog.testing.capture_logs() as events:
        await failure_of(otlp, trace_request())
    (event,) = [event for event in events if event["log_level"] == "error"]
    assert event["exc_info"].__traceback__ is not None


async def test_refused_and_failed_items_are_counted_apart(otlp: Otlp) -> None:
    refused, failed = counted(RECEIVER_REFUSED["spans"]), counted(RECEIVER_FAILED["spans"])
    reasons = REFUSED_REQUESTS.labels("traces", "storage_unavailable")
    before = reasons._value.get()
    otlp.ingest.failures.extend((StorageUnavailable(), RuntimeError(), DataRejected()))
    for spans in (7, 11, 13):
        await failure_of(otlp, trace_request(spans))
    assert counted(RECEIVER_REFUSED["spans"]) - refused == 7
    assert counted(RECEIVER_FAILED["spans"]) - failed == 24
    assert reasons._value.get() - before == 1


async def test_a_large_failed_request_counts_as_a_request_only(otlp: Otlp) -> None:
    refused = counted(RECEIVER_REFUSED["spans"])
    requests = REFUSED_REQUESTS.labels("traces", "storage_unavailable")
    before = requests._value.get()
    otlp.ingest.failures.append(StorageUnavailable())
    await failure_of(otlp, trace_request(5, name_bytes=KEEP_MAX_BYTES // 5))
    assert counted(RECEIVER_REFUSED["spans"]) == refused
    assert requests._value.get() - before == 1


async def test_counting_a_failed_request_is_bounded(otlp: Otlp) -> None:
    """The smallest spans are two bytes each: a small body holds more of them than a refusal may look at."""
    spans = b"\x12\x00" * 25_000
    scope = b"\x12" + varint(len(spans)) + spans
    request = b"\x0a" + varint(len(scope)) + scope
    assert len(request) <= KEEP_MAX_BYTES
    refused = counted(RECEIVER_REFUSED["spans"])
    otlp.ingest.failures.append(StorageUnavailable())
    await failure_of(otlp, request)
    assert counted(RECEIVER_REFUSED["spans"]) - refused == COUNT_MAX_ITEMS


def varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


async def test_a_flood_of_unexpected_errors_is_logged_once_and_counted_each(otlp: Otlp) -> None:
    requests = REFUSED_REQUESTS.labels("traces", "unexpected")
    before = requests._value.get()
    otlp.ingest.failures.extend(RuntimeError(SECRET) for _ in range(50))
    with structlog.testing.capture_logs() as events:
        await asyncio.gather(*(failure_of(otlp, trace_request()) for _ in range(50)))
    assert len([event for event in events if event["log_level"] == "error"]) <= 2
    assert requests._value.get() - before == 50


@pytest.mark.alone("it judges time: no other test beside it")
@pytest.mark.parametrize("gate", ["door", "room"])
async def test_a_request_is_held_for_a_share_of_the_deadline_and_then_refused(otlp: Otlp, gate: str) -> None:
    getattr(otlp.ingest, gate).clear()
    loop = asyncio.get_running_loop()
    began = loop.time()
    failure = await failure_of(otlp, trace_request(), deadline=1.5)
    held = loop.time() - began
    assert failure.code() is UNAVAILABLE
    assert retry_hints(failure) == [1.0, 1.0]
    assert 0.4 < held < 1.2
    await until(lambda: otlp.receiver.entrance.reading == 0)


@pytest.mark.alone("it judges time: no other test beside it")
async def test_a_request_without_deadline_is_held_for_four_seconds(otlp: Otlp) -> None:
    otlp.ingest.door.clear()
    loop = asyncio.get_running_loop()
    began = loop.time()
    assert (await failure_of(otlp, trace_request())).code() is UNAVAILABLE
    assert 3.8 < loop.time() - began < 5.0


async def test_room_in_time_saves_a_held_request(otlp: Otlp) -> None:
    otlp.ingest.door.clear()
    call = asyncio.ensure_future(otlp.export(trace_request()))
    await until(lambda: otlp.ingest.at_door == 1)
    otlp.ingest.door.set()
    assert await call == b""


async def test_too_many_waiting_calls_are_refused_at_once(otlp: Otlp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_observatory.otlp.entrance.MAX_WAITING_CALLS", 3)
    otlp.ingest.door.clear()
    calls = [asyncio.ensure_future(otlp.export(trace_request())) for _ in range(3)]
    await until(lambda: otlp.receiver.entrance.waiting == 3)
    failure = await failure_of(otlp, trace_request())
    assert failure.code() is UNAVAILABLE
    assert retry_hints(failure) == [1.0, 1.0]
    otlp.ingest.door.set()
    assert await asyncio.gather(*calls) == [b""] * 3


async def test_a_client_whose_deadline_passes_does_not_stop_the_commit(otlp: Otlp) -> None:
    otlp.ingest.commit.clear()
    request = trace_request()
    failure = await failure_of(otlp, request, deadline=0.2)
    assert failure.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    await until(lambda: otlp.receiver.entrance.in_flight == 0)
    assert otlp.ingest.committed == []
    otlp.ingest.commit.set()
    await until(lambda: otlp.ingest.committed == [request])


async def test_a_caller_without_token_is_refused_before_its_body_is_read(start: Start) -> None:
    def deny(_shown: str | None) -> str:
        raise Unauthenticated("a token is needed")

    async with start(tenant_of=deny) as otlp, raw_client(otlp.port) as client:
        stream = await client.call()
        response = await client.response(stream)
        assert response.status == grpc.StatusCode.UNAUTHENTICATED.value[0]
        assert otlp.ingest.exports == 0
