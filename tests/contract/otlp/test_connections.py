"""What the settings of a gRPC connection do, seen from its other end: streams, pings, idleness, age."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc import aio
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # the compiled core, to look option names up in

from llm_observatory.otlp.grpc_options import Options, connection_options, server_options
from llm_observatory.settings import Settings
from tests.contract.otlp.conftest import Start
from tests.contract.otlp.payloads import trace_request
from tests.contract.otlp.waiting import until
from tests.plugins.wire import RawClient, frame, raw_client

ALL = {name: "1h" for name in Settings.model_fields if name.startswith("otlp_grpc_max_connection")}


def limits(**settings: Any) -> Options:
    """The options of `OTLP_GRPC_*`, written without their prefix."""
    return connection_options(Settings(**{f"otlp_grpc_{name}": value for name, value in settings.items()}))


async def pings(client: RawClient, times: int, every: float) -> None:
    """So many pings, each answered before the next, until the server has had enough."""
    for number in range(times):
        if client.goaway is not None or client.closed:
            return
        await client.ping()
        await client.until(lambda: client.ping_acks > number or client.goaway is not None or client.closed)  # noqa: B023 - now
        await asyncio.sleep(every)


def test_grpcio_knows_every_option() -> None:
    library = Path(cygrpc.__file__).read_bytes()
    options = (*server_options(1, share_port=True), *connection_options(Settings(**ALL)))
    assert [name for name, _ in options if name.encode() not in library] == []


def test_a_shared_port_ends_connections_unless_somebody_says_otherwise() -> None:
    shared = Settings().sharing_ports()
    assert shared.otlp_grpc_max_connection_age == shared.otlp_http_max_connection_age == timedelta(minutes=5)
    chosen = Settings(otlp_grpc_max_connection_age="off", otlp_http_max_connection_age="1h").sharing_ports()
    assert (chosen.otlp_grpc_max_connection_age, chosen.otlp_http_max_connection_age) == (None, timedelta(hours=1))


async def test_concurrent_streams(start: Start) -> None:
    async with start(connections=limits(max_concurrent_streams=7)) as otlp, raw_client(otlp.port) as client:
        await client.until(lambda: client.max_streams == 7)
        await otlp.export(trace_request())  # now the stock client knows, too
        otlp.ingest.commit.clear()
        calls = [asyncio.ensure_future(otlp.export(trace_request(mark=str(number)))) for number in range(30)]
        await until(lambda: otlp.receiver.entrance.in_flight == 7)
        await asyncio.wait(calls, timeout=0.3)
        assert otlp.receiver.entrance.in_flight == 7
        otlp.ingest.commit.set()
        for answer in await asyncio.gather(*calls, return_exceptions=True):
            if isinstance(answer, aio.AioRpcError):
                assert answer.code() is grpc.StatusCode.UNAVAILABLE
            else:
                assert answer == b""


async def test_clients_may_ping_at_the_least_time(start: Start) -> None:
    async with start(connections=limits(keepalive_min_time="100ms")) as otlp, raw_client(otlp.port) as client:
        await pings(client, 8, every=0.15)
        assert client.goaway is None
        stream = await client.call()
        await client.send(stream, frame(trace_request()), end=True)
        assert (await client.response(stream)).status == 0


@pytest.mark.parametrize("settings", [{}, {"keepalive_min_time": "100ms", "keepalive_permit_without_stream": False}])
async def test_clients_that_ping_more_often_or_without_a_call_are_sent_away(start: Start, settings: dict[str, Any]) -> None:
    async with start(connections=limits(**settings)) as otlp, raw_client(otlp.port) as client:
        await pings(client, 8, every=0.15)
        assert client.goaway is not None
        assert client.goaway.additional_data == b"too_many_pings"


async def test_a_silent_client_is_pinged(start: Start) -> None:
    async with start(connections=limits(keepalive_time="100ms")) as otlp, raw_client(otlp.port) as client:
        await client.until(lambda: client.pings >= 2)
        assert not client.closed


async def test_a_client_that_does_not_answer_pings_is_gone(start: Start) -> None:
    options = limits(keepalive_time="100ms", keepalive_timeout="300ms")
    async with start(connections=options) as otlp, raw_client(otlp.port) as client, raw_client(otlp.port) as alive:
        await client.until(lambda: client.pings >= 1)
        client.silent = True
        await client.until(lambda: client.closed)
        assert not alive.closed


async def test_a_connection_without_a_call_ends(start: Start) -> None:
    async with start(connections=limits(max_connection_idle="200ms")) as otlp, raw_client(otlp.port) as client:
        otlp.ingest.commit.clear()
        async with raw_client(otlp.port) as busy:
            stream = await busy.call()
            await busy.send(stream, frame(trace_request()), end=True)
            await client.until(lambda: client.goaway is not None or client.closed)
            assert busy.goaway is None
            otlp.ingest.commit.set()
            assert (await busy.response(stream)).status == 0
            await busy.until(lambda: busy.goaway is not None or busy.closed)


async def test_by_default_no_connection_ends(start: Start) -> None:
    async with start() as otlp, raw_client(otlp.port) as client:
        await asyncio.sleep(1)
        assert (client.goaway, client.closed, client.pings) == (None, False, 0)


async def test_an_old_connection_ends_and_its_calls_are_answered(start: Start) -> None:
    async with start(connections=limits(max_connection_age="200ms")) as otlp, raw_client(otlp.port) as witness:
        otlp.ingest.commit.clear()
        call = asyncio.ensure_future(otlp.export(trace_request()))
        await until(lambda: otlp.ingest.exports == 1)
        await witness.until(lambda: witness.goaway is not None or witness.closed)
        await asyncio.sleep(0.5)
        assert not call.done()
        otlp.ingest.commit.set()
        assert await call == b""
        # A client that is sent away comes back by itself.
        assert await otlp.export(trace_request()) == b""


async def test_calls_on_an_old_connection_are_cut_off_after_the_grace(start: Start) -> None:
    options = limits(max_connection_age="200ms", max_connection_age_grace="300ms")
    async with start(connections=options) as otlp:
        otlp.ingest.commit.clear()
        with pytest.raises(aio.AioRpcError) as failure:
            await otlp.export(trace_request())
        assert failure.value.code() is grpc.StatusCode.UNAVAILABLE
