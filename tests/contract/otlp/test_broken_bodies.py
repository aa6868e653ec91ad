"""Bodies that do not come whole, lie, stop, or swell: never OK, never an empty request, never in anybody's way."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import zlib

import grpc
import pytest
from grpc import aio

from llm_observatory.metrics import REFUSED_REQUESTS
from llm_observatory.otlp import entrance
from llm_observatory.pipeline.signal import METRICS
from tests.contract.otlp.conftest import MIB, Otlp, Start, raw_method
from tests.contract.otlp.payloads import trace_request
from tests.contract.otlp.waiting import until
from tests.plugins.wire import EXPORT_LOGS, EXPORT_METRICS, EXPORT_TRACES, frame, raw_client

INVALID_ARGUMENT = grpc.StatusCode.INVALID_ARGUMENT.value[0]
INTERNAL = grpc.StatusCode.INTERNAL.value[0]
UNAVAILABLE = grpc.StatusCode.UNAVAILABLE.value[0]
RESOURCE_EXHAUSTED = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]

WHOLE = frame(trace_request(3))
GZIP = ("grpc-encoding", "gzip")


@pytest.mark.parametrize(
    "body, headers, status",
    [
        pytest.param(b"", (), INVALID_ARGUMENT, id="no-message"),
        pytest.param(WHOLE[:3], (), INVALID_ARGUMENT, id="cut-in-the-prefix"),
        pytest.param(WHOLE[:5], (), INVALID_ARGUMENT, id="prefix-only"),
        pytest.param(WHOLE[:-1], (), INVALID_ARGUMENT, id="one-byte-short"),
        pytest.param(frame(b"", announced=10), (), INVALID_ARGUMENT, id="announced-and-not-sent"),
        pytest.param(frame(b"not gzip", compressed=True), (GZIP,), INTERNAL, id="corrupt-gzip"),
        pytest.param(frame(gzip.compress(bytes(5000))[:-6], compressed=True), (GZIP,), INTERNAL, id="cut-gzip"),
        pytest.param(frame(trace_request(), compressed=True), (), INTERNAL, id="compressed-without-encoding"),
        pytest.param(frame(trace_request(), compressed=True), (("grpc-encoding", "zstd"),), INTERNAL, id="unknown-encoding"),
        pytest.param(frame(b"", announced=2**32 - 1), (), RESOURCE_EXHAUSTED, id="announced-4-gib"),
    ],
)
async def test_a_body_that_is_not_whole_is_refused(
    otlp: Otlp, body: bytes, headers: tuple[tuple[str, str]], status: int
) -> None:
    async with raw_client(otlp.port) as client:
        stream = await client.call(headers=headers)
        await client.send(stream, body, end=True)
        response = await client.response(stream)
    assert response.status == status
    assert response.body == b""
    await until(lambda: otlp.receiver.entrance.in_flight == 0)
    assert otlp.receiver.entrance.reading == 0
    assert otlp.ingest.exports == 0
    assert await otlp.export(trace_request()) == b""


@pytest.mark.parametrize("body", [WHOLE[:-1], frame(b"", announced=2**32 - 1)], ids=["cut", "oversized"])
async def test_the_reason_counted_is_true_of_what_grpcio_refuses_too(otlp: Otlp, body: bytes) -> None:
    reason = REFUSED_REQUESTS.labels("traces", "unreadable_body")
    before = reason._value.get()
    async with raw_client(otlp.port) as client:
        stream = await client.call()
        await client.send(stream, body, end=True)
        await client.response(stream)
    await until(lambda: reason._value.get() - before == 1)


@pytest.mark.parametrize("leave", ["reset-stream", "break-connection"])
async def test_a_client_that_leaves_in_the_middle_of_a_body_gives_its_slot_back(otlp: Otlp, leave: str) -> None:
    async with raw_client(otlp.port) as client:
        stream = await client.call()
        await client.send(stream, WHOLE[:-1])
        await until(lambda: otlp.receiver.entrance.reading == 1)
        if leave == "reset-stream":
            await client.reset(stream)
        else:
            client.break_off()
        await until(lambda: otlp.receiver.entrance.in_flight == 0)
    # Not at the end of the hold: nobody holds bytes of a body that never came.
    assert otlp.receiver.entrance.reading == 0
    assert otlp.ingest.exports == 0


async def test_a_client_that_leaves_before_admission_keeps_its_slot_while_its_body_waits(start: Start) -> None:
    async with start(read_slots=1) as otlp:
        otlp.ingest.room.clear()
        async with raw_client(otlp.port) as client:
            stream = await client.call()
            await client.send(stream, WHOLE, end=True)
            await until(lambda: otlp.ingest.unadmitted == 1)
            await client.reset(stream)
            await until(lambda: otlp.receiver.entrance.in_flight == 0)
        assert otlp.receiver.entrance.reading == 1
        otlp.ingest.room.set()
        await until(lambda: otlp.receiver.entrance.reading == 0)
        assert len(otlp.ingest.committed) == 1


async def test_a_gzip_bomb_is_refused_at_the_limit(start: Start) -> None:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(squeeze.compress(bytes(MIB)) for _ in range(100)) + squeeze.flush()
    async with start(max_request_bytes=MIB) as otlp, raw_client(otlp.port) as client:
        assert len(bomb) < MIB
        stream = await client.call(headers=[GZIP])
        await client.send(stream, frame(bomb, compressed=True), end=True)
        response = await client.response(stream)
        assert response.status == RESOURCE_EXHAUSTED
        assert "google.rpc.retryinfo-bin" not in response.headers
        assert otlp.ingest.exports == 0


async def test_a_slow_body_is_refused_and_its_slot_is_free_again(start: Start) -> None:
    async with start(read_deadline=0.3, read_slots=1) as otlp, raw_client(otlp.port) as client:
        stream = await client.call()
        await client.send(stream, WHOLE[:-1])
        response = await client.response(stream)
        assert response.status == UNAVAILABLE
        assert "google.rpc.retryinfo-bin" in response.headers
        assert otlp.receiver.entrance.reading == 0
        assert await otlp.export(trace_request()) == b""


async def test_clients_that_stop_in_the_middle_and_come_again_shut_nobody_out(otlp: Otlp) -> None:
    """Twice as many as there are slots, for five seconds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + 5.0
    waits: list[float] = []
    cut_off = 0

    async def stick() -> None:
        nonlocal cut_off
        while True:
            async with raw_client(otlp.port) as client:
                stream = await client.call()
                await client.send(stream, frame(bytes(1000), announced=100_000))
                cut_off += (await client.response(stream)).status == UNAVAILABLE

    async def export(channel: aio.Channel) -> None:
        began = loop.time()
        await raw_method(channel, EXPORT_TRACES)(trace_request(mark=f"{began}"))
        waits.append(loop.time() - began)

    async with asyncio.TaskGroup() as both, aio.insecure_channel(f"127.0.0.1:{otlp.port}") as channel:
        stuck = [both.create_task(stick()) for _ in range(8)]
        await until(lambda: otlp.receiver.entrance.reading == 4)
        exports = []
        while loop.time() < end:
            exports.append(asyncio.ensure_future(export(channel)))
            await asyncio.wait(exports[-1:], timeout=0.1)
        failures = [result for result in await asyncio.gather(*exports, return_exceptions=True) if result is not None]
        for client in stuck:
            client.cancel()
    assert failures == []
    assert len(waits) > 15
    assert max(waits) < 3.0
    # They do have their second.
    assert cut_off <= 8 + 4 * 6


async def test_one_connection_holds_one_slot_and_stops_nobody_else(start: Start) -> None:
    async with start(read_slots=2) as otlp, raw_client(otlp.port) as stuck, raw_client(otlp.port) as other:
        for _ in range(5):
            await stuck.send(await stuck.call(), WHOLE[:-1])
        await until(lambda: otlp.receiver.entrance.in_flight == 5)
        assert (otlp.receiver.entrance.reading, otlp.receiver.entrance.waiting) == (1, 4)
        for _ in range(3):
            stream = await other.call()
            await other.send(stream, WHOLE, end=True)
            assert (await other.response(stream)).status == 0
        assert (otlp.receiver.entrance.reading, otlp.receiver.entrance.waiting) == (1, 4)


async def test_waiting_connections_are_served_in_turn(start: Start) -> None:
    """A connection with many calls does not hold up one that came later with a single call."""
    async with start(read_slots=1) as otlp, raw_client(otlp.port) as busy, raw_client(otlp.port) as lonely:
        otlp.ingest.room.clear()
        crowd = []
        for number in range(4):
            crowd.append(stream := await busy.call())
            await busy.send(stream, frame(trace_request(mark=f"busy{number}")), end=True)
            await until(lambda: otlp.receiver.entrance.reading + otlp.receiver.entrance.waiting == number + 1)  # noqa: B023 - awaited here
        single = await lonely.call()
        await lonely.send(single, frame(trace_request(mark="lonely")), end=True)
        await until(lambda: otlp.receiver.entrance.waiting == 4)
        otlp.ingest.room.set()
        await lonely.response(single)
        for stream in crowd:
            await busy.response(stream)
        position = [b"lonely" in payload for payload in otlp.ingest.committed].index(True)
        assert position <= 1


async def test_no_more_bodies_wait_for_admission_than_there_are_slots(start: Start) -> None:
    async with start(read_slots=2) as otlp:
        otlp.ingest.room.clear()
        clients = [raw_client(otlp.port) for _ in range(6)]
        async with clients[0] as a, clients[1] as b, clients[2] as c, clients[3] as d, clients[4] as e, clients[5] as f:
            streams = []
            for client in (a, b, c, d, e, f):
                stream = await client.call()
                await client.send(stream, WHOLE, end=True)
                streams.append((client, stream))
            await until(lambda: otlp.receiver.entrance.in_flight == 6 and otlp.ingest.unadmitted == 2)
            assert otlp.receiver.entrance.waiting == 4
            otlp.ingest.room.set()
            assert {(await client.response(stream)).status for client, stream in streams} == {0}
        assert otlp.ingest.most_unadmitted == 2


async def test_bodies_of_one_signal_that_wait_for_admission_leave_the_others_a_slot(start: Start) -> None:
    async with start(read_slots=2) as otlp, contextlib.AsyncExitStack() as stack:
        otlp.ingest.held_up = {METRICS}
        otlp.ingest.room.clear()
        clients = [await stack.enter_async_context(raw_client(otlp.port)) for _ in range(4)]
        stuck = []
        for client in clients:
            stuck.append((client, stream := await client.call(EXPORT_METRICS)))
            await client.send(stream, WHOLE, end=True)
        await until(lambda: (otlp.receiver.entrance.reading, otlp.receiver.entrance.waiting) == (2, 2))
        for path in (EXPORT_TRACES, EXPORT_LOGS):
            # The connections of those that are stuck, too: exporters of one process share one.
            for client in clients:
                stream = await client.call(path)
                await client.send(stream, WHOLE, end=True)
                assert (await client.response(stream, within=1)).status == 0
        assert (otlp.receiver.entrance.reading, otlp.receiver.entrance.waiting) == (2, 2)
        otlp.ingest.room.set()
        assert {(await client.response(stream)).status for client, stream in stuck} == {0}


async def test_calls_of_one_signal_that_wait_leave_the_others_room_to_wait(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entrance, "MAX_WAITING_CALLS", 20)
    async with start() as otlp, raw_client(otlp.port) as client:
        otlp.ingest.door.clear()
        for path, most in ((EXPORT_METRICS, 20), (EXPORT_LOGS, 2), (EXPORT_TRACES, 2)):
            before = otlp.receiver.entrance.waiting
            for _ in range(most):
                await client.call(path)
            await until(lambda: otlp.receiver.entrance.waiting == before + most)  # noqa: B023 - awaited here
            assert (await client.response(await client.call(path), within=1)).status == UNAVAILABLE
        otlp.ingest.door.set()


async def test_slots_are_free_while_commits_wait(start: Start) -> None:
    async with start(read_slots=1) as otlp:
        otlp.ingest.commit.clear()
        calls = [asyncio.ensure_future(otlp.export(trace_request(mark=str(number)))) for number in range(10)]
        await until(lambda: otlp.ingest.exports == 10)
        assert otlp.receiver.entrance.reading == 0
        otlp.ingest.commit.set()
        assert await asyncio.gather(*calls) == [b""] * 10


async def test_a_refused_client_keeps_its_body(otlp: Otlp) -> None:
    """Nobody asks for the body, so the window stays at the lookahead: 60 MiB stay with the client."""
    otlp.ingest.door.clear()
    async with raw_client(otlp.port) as client:
        stream = await client.call(headers=[("grpc-timeout", "2S")])
        sent = client.window(stream)
        sending = asyncio.create_task(client.send(stream, frame(bytes(4 * MIB - 5))))
        response = await client.response(stream)
        assert response.status == UNAVAILABLE
        await asyncio.wait([sending])
        assert sent <= 64 * 1024
        assert client.sent(stream) <= sent
