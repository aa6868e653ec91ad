"""Statements end in the database with the call that asked for them: past its deadline, and when its client left."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import psycopg
import pytest

from llm_observatory.api.v1 import trace_query_service_pb2_grpc
from llm_observatory.api.v1.trace_query_service_pb2 import (
    GetTraceRequest,
    GetTraceResponse,
    ListServicesRequest,
    ListServicesResponse,
)
from llm_observatory.query.server import Service
from llm_observatory.storage.compose import SQL
from llm_observatory.storage.read import Reader
from tests.plugins.query import Query

NAME = "llm_observatory.api.v1.TraceQueryService"
SLEEP = SQL("SELECT pg_sleep(%(seconds)s)")
RUNNING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()"


class Sleeper(trace_query_service_pb2_grpc.TraceQueryServiceServicer):
    """Asks the database to sleep, in a call of each kind."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def ListServices(self, request: Any, context: Any) -> ListServicesResponse:  # noqa: N802 - the name in the protocol
        await self._reader.rows(SLEEP, {"seconds": 30.0})
        return ListServicesResponse()

    async def GetTrace(self, request: Any, context: Any) -> AsyncIterator[GetTraceResponse]:  # noqa: N802 - the name in the protocol
        yield GetTraceResponse()
        async for _ in self._reader.stream(SLEEP, {"seconds": 30.0}, 10):
            yield GetTraceResponse()


def sleeper(query: Query) -> Service:
    servicer = Sleeper(query.reader)  # type: ignore[abstract]  # the other methods are not asked
    return Service(NAME, trace_query_service_pb2_grpc.add_TraceQueryServiceServicer_to_server, servicer)


class Flood(Sleeper):
    """More than a client that does not read takes."""

    async def GetTrace(self, request: Any, context: Any) -> AsyncIterator[GetTraceResponse]:  # noqa: N802 - the name in the protocol
        answer = GetTraceResponse()
        answer.traces.resource_spans.add().schema_url = "x" * 1_000_000
        async for _ in self._reader.stream(SQL("SELECT generate_series(1, 1000)"), {}, 1):
            yield answer


def flooding(query: Query) -> Service:
    servicer = Flood(query.reader)  # type: ignore[abstract]  # the other methods are not asked
    return Service(NAME, trace_query_service_pb2_grpc.add_TraceQueryServiceServicer_to_server, servicer)


def unary(channel: grpc.aio.Channel, timeout: float | None = None) -> Any:
    stub: Any = trace_query_service_pb2_grpc.TraceQueryServiceStub(channel)
    return stub.ListServices(ListServicesRequest(), timeout=timeout)


def streaming(channel: grpc.aio.Channel, timeout: float | None = None) -> Any:
    stub: Any = trace_query_service_pb2_grpc.TraceQueryServiceStub(channel)
    return stub.GetTrace(GetTraceRequest(), timeout=timeout)


async def answer(call: Any) -> None:
    """The end of a call of either kind."""
    if isinstance(call, grpc.aio.UnaryStreamCall):
        async for _ in call:
            pass
    else:
        await call


async def refusal(call: Any) -> grpc.aio.AioRpcError:
    """The error that a call ends with."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await answer(call)
    return raised.value


async def until(database: str, running: int) -> None:
    """Wait until so many statements of the sleeper run in the database."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection, asyncio.timeout(5):
        while True:
            row = await (await connection.execute(RUNNING)).fetchone()
            assert row is not None
            if row[0] == running:
                return
            await asyncio.sleep(0.005)


KINDS = pytest.mark.parametrize("ask", [unary, streaming])


@KINDS
async def test_past_query_timeout_the_statement_ends_in_the_database_too(query: Query, ask: Callable[..., Any]) -> None:
    channel = await query.serve(sleeper(query), query_timeout=0.25)
    error, _ = await asyncio.gather(refusal(ask(channel)), until(query.database, 1))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "QUERY_TIMEOUT" in (error.details() or "")
    await until(query.database, 0)


@KINDS
@pytest.mark.alone("it judges time: no other test beside it")
async def test_the_deadline_of_the_client_ends_the_statement_and_is_told_in_our_words(
    query: Query, ask: Callable[..., Any]
) -> None:
    channel = await query.serve(sleeper(query))
    await channel.channel_ready()
    # Our words have a twentieth of it to arrive in.
    error, _ = await asyncio.gather(refusal(ask(channel, timeout=2.0)), until(query.database, 1))
    assert error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "QUERY_TIMEOUT" in (error.details() or "")
    await until(query.database, 0)


@KINDS
async def test_a_client_that_leaves_ends_its_statement(query: Query, ask: Callable[..., Any]) -> None:
    channel = await query.serve(sleeper(query))
    call = ask(channel)
    waiting = asyncio.ensure_future(answer(call))
    await until(query.database, 1)
    call.cancel()
    await until(query.database, 0)
    with pytest.raises((grpc.aio.AioRpcError, asyncio.CancelledError)):
        await waiting
    await query.reader.rows(SLEEP, {"seconds": 0.0})  # the connection is whole again


async def test_a_client_that_reads_too_slowly_is_told_so_and_holds_no_connection(query: Query) -> None:
    channel = await query.serve(flooding(query), query_timeout=0.3)
    answers = aiter(streaming(channel))
    await anext(answers)
    async with asyncio.timeout(5):
        while query.pool.stats().active:  # noqa: ASYNC110 - the pool has no event of it
            await asyncio.sleep(0.01)
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        [_ async for _ in answers]
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
