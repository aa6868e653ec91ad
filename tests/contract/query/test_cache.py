"""The cache of answers, over gRPC, on a real Redis: what it saves, and that without it nothing but time is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
import redis

from llm_observatory import metrics
from llm_observatory.api.v1 import trace_query_service_pb2 as pb
from llm_observatory.api.v1 import trace_query_service_pb2_grpc as pb_grpc
from llm_observatory.api.v1.selection_pb2 import TimeRange
from llm_observatory.errors import InvalidQuery
from llm_observatory.query.cache import CLOSED_SECONDS, LARGEST_BYTES, OPEN_SECONDS, Caching, life, pack, unpack
from llm_observatory.query.server import QueryServer, Service
from llm_observatory.query.store import FAILURES_IN_A_ROW, GET_SECONDS, RedisStore
from tests.plugins.service import free_port, wait_for

pytestmark = pytest.mark.skipif(which("redis-server") is None, reason="there is no redis-server to start")

HOUR = 3600 * 10**9
NOW = 1_000 * HOUR
CLOSED = TimeRange(start_time_unix_nano=HOUR, end_time_unix_nano=2 * HOUR)


class Redis:
    """A server of its own, on a free port, without a disk."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self.client = redis.Redis(port=self.port)
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
            cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        wait_for(self.answers, 20, "redis answers")

    def answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except redis.RedisError:
            return False

    def keys(self) -> list[bytes]:
        found: Any = self.client.keys("*")
        return list(found)

    def send(self, number: signal.Signals) -> None:
        os.kill(self.process.pid, number)

    def stop(self) -> None:
        self.client.close()
        self.process.kill()
        self.process.wait(10)


@pytest.fixture(scope="module")
def shared() -> Iterator[Redis]:
    with TemporaryDirectory() as folder:
        server = Redis(Path(folder))
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture
def server(shared: Redis) -> Redis:
    if shared.process.poll() is not None:
        shared.start()
    shared.send(signal.SIGCONT)
    shared.client.flushall()
    return shared


class Asked:
    """Answers with what it is told, and counts."""

    def __init__(self) -> None:
        self.count = 0
        self.names = ["a"]
        self.go = asyncio.Event()
        self.go.set()
        self.cancelled = 0

    async def ListServices(self, request: pb.ListServicesRequest, context: Any) -> pb.ListServicesResponse:  # noqa: N802
        self.count += 1
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if request.time_range.start_time_unix_nano == 7:
            raise InvalidQuery("time_range", "is seven")
        return pb.ListServicesResponse(services=[pb.ServiceSummary(service_name=name) for name in self.names])


class Client:
    """A channel to a query server with the cache, and what stands behind it."""

    def __init__(self, opened: AsyncExitStack, url: str, patience: float) -> None:
        self.behind = Asked()
        self.store = RedisStore(url, connections=4, timeout=5.0, patience=patience)
        self._opened = opened
        opened.push_async_callback(self.store.close)

    async def open(self, place: str = "one") -> pb_grpc.TraceQueryServiceAsyncStub:
        """Another process of the same service would have the same place."""
        name = "llm_observatory.api.v1.TraceQueryService"
        own = {method: getattr(self.behind, method, None) for method in ("ListServices",)}
        others = dict.fromkeys(
            ("GetTrace", "SearchTraces", "ListOperations", "ListAttributeKeys", "ListAttributeValues", "GetServiceGraph",
             "GetTraceMetrics"), self.behind.ListServices,
        )  # fmt: skip
        service = Service(name, pb_grpc.add_TraceQueryServiceServicer_to_server, SimpleNamespace(**own, **others))
        query = QueryServer([service], timeout=5.0, behind=(Caching(self.store, place, clock=lambda: NOW),))
        port = await query.start("127.0.0.1", 0)
        self._opened.push_async_callback(query.stop, 0.0)
        channel = await self._opened.enter_async_context(grpc.aio.insecure_channel(f"127.0.0.1:{port}"))
        stub: Any = pb_grpc.TraceQueryServiceStub(channel)
        return stub  # type: ignore[no-any-return]


@pytest.fixture
async def client(server: Redis) -> AsyncIterator[Client]:
    async with AsyncExitStack() as opened:
        # Time enough for a busy machine: that a Redis is slow is tested by stopping it.
        yield Client(opened, server.url, patience=5.0)


@pytest.fixture
async def hurried(server: Redis) -> AsyncIterator[Client]:
    async with AsyncExitStack() as opened:
        yield Client(opened, server.url, patience=GET_SECONDS)


def question(**fields: Any) -> pb.ListServicesRequest:
    return pb.ListServicesRequest(time_range=CLOSED, **fields)


def counted(counter: Any, *labels: str) -> float:
    return float(counter.labels(*labels)._value.get())


async def until(condition: Any) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - the state of another process, which sets no event
            await asyncio.sleep(0.005)


async def test_the_second_question_is_answered_from_redis(server: Redis, client: Client) -> None:
    stub = await client.open()
    hits = counted(metrics.QUERY_CACHE_HITS, "ListServices")
    first = await stub.ListServices(question())
    await until(server.keys)
    client.behind.names = ["other"]
    assert await stub.ListServices(question()) == first
    assert client.behind.count == 1
    assert counted(metrics.QUERY_CACHE_HITS, "ListServices") == hits + 1
    elsewhere = await client.open(place="another database")
    assert [found.service_name for found in (await elsewhere.ListServices(question())).services] == ["other"]


async def test_how_long_it_is_kept(server: Redis, client: Client) -> None:
    stub = await client.open()
    await stub.ListServices(question())
    await until(server.keys)
    assert CLOSED_SECONDS - 5 <= server.client.ttl(server.keys()[0]) <= CLOSED_SECONDS
    server.client.flushall()
    await stub.ListServices(pb.ListServicesRequest())
    await until(server.keys)
    assert 0 < server.client.ttl(server.keys()[0]) <= OPEN_SECONDS


@pytest.mark.parametrize("end, seconds", [
    (0, OPEN_SECONDS), (NOW, OPEN_SECONDS), (NOW - 60 * 10**9, OPEN_SECONDS), (NOW + HOUR, OPEN_SECONDS),
    (NOW - HOUR, CLOSED_SECONDS),
])  # fmt: skip
def test_life_follows_the_end_of_the_range(end: int, seconds: int) -> None:
    assert life(pb.ListServicesRequest(time_range=TimeRange(end_time_unix_nano=end)), NOW) == seconds


async def test_errors_are_not_kept(server: Redis, client: Client) -> None:
    stub = await client.open()
    wrong = pb.ListServicesRequest(time_range=TimeRange(start_time_unix_nano=7, end_time_unix_nano=HOUR))
    for count in (1, 2):
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ListServices(wrong)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert client.behind.count == count
    assert server.keys() == []


async def test_what_is_too_large_is_not_kept(server: Redis, client: Client) -> None:
    stub = await client.open()
    client.behind.names = ["n" * LARGEST_BYTES]
    answers = [await stub.ListServices(question()) for _ in range(2)]
    assert len(answers[1].services[0].service_name) == LARGEST_BYTES
    assert (client.behind.count, server.keys()) == (2, [])


async def test_of_many_that_ask_the_same_at_once_one_is_asked(client: Client) -> None:
    stub = await client.open()
    client.behind.go.clear()
    misses = counted(metrics.QUERY_CACHE_MISSES, "ListServices")
    asking = [asyncio.ensure_future(stub.ListServices(question())) for _ in range(20)]
    await until(lambda: counted(metrics.QUERY_CACHE_MISSES, "ListServices") == misses + 20)
    asking[0].cancel()  # the others get their answer all the same, were it theirs that is being asked
    client.behind.go.set()
    answers = await asyncio.gather(*asking[1:])
    assert all(answer == answers[0] for answer in answers)
    assert client.behind.count == 1


async def test_where_all_have_left_nothing_is_asked_any_more(client: Client) -> None:
    stub = await client.open()
    client.behind.go.clear()
    asking = [asyncio.ensure_future(stub.ListServices(question())) for _ in range(2)]
    await until(lambda: client.behind.count)
    for one in asking:
        one.cancel()
    await until(lambda: client.behind.cancelled)


@pytest.mark.parametrize("spoil", [
    lambda _: b"", lambda _: b"rubbish", lambda good: good[:-3], lambda good: b"\x02" + good[1:],
    lambda good: good[:20] + bytes([good[20] ^ 1]) + good[21:], lambda _: pack("another key", b"answer"),
], ids=["nothing", "text", "cut", "another version", "a bit", "of another key"])  # fmt: skip
async def test_rubbish_costs_only_speed(server: Redis, client: Client, spoil: Any) -> None:
    stub = await client.open()
    first = await stub.ListServices(question())
    await until(server.keys)
    key = server.keys()[0]
    good: Any = server.client.get(key)
    server.client.set(key, spoil(good))
    rubbish = counted(metrics.QUERY_CACHE_ERRORS, "rubbish")
    assert await stub.ListServices(question()) == first
    assert client.behind.count == 2
    assert counted(metrics.QUERY_CACHE_ERRORS, "rubbish") == rubbish + 1
    await until(lambda: server.client.get(key) == good)


def test_a_bomb_is_not_inflated() -> None:
    assert unpack("key", pack("key", bytes(100 * LARGEST_BYTES))) is None
    assert unpack("key", pack("key", bytes(LARGEST_BYTES))) == bytes(LARGEST_BYTES)


async def test_a_value_of_another_type(server: Redis, client: Client) -> None:
    stub = await client.open()
    await stub.ListServices(question())
    await until(server.keys)
    key = server.keys()[0]
    server.client.delete(key)
    server.client.lpush(key, "a list")
    await stub.ListServices(question())
    assert client.behind.count == 2


async def test_a_redis_that_hangs_is_waited_for_a_moment_and_then_left_alone(server: Redis, hurried: Client) -> None:
    stub = await hurried.open()
    await stub.ListServices(question())
    await until(server.keys)
    server.send(signal.SIGSTOP)
    try:
        for _ in range(FAILURES_IN_A_ROW):
            began = time.monotonic()
            await stub.ListServices(question())
            assert time.monotonic() - began < GET_SECONDS + 1
        assert hurried.store.left_alone
        slow = counted(metrics.QUERY_CACHE_ERRORS, "slow")
        await stub.ListServices(question())
        assert counted(metrics.QUERY_CACHE_ERRORS, "slow") == slow, "it is not asked"
    finally:
        server.send(signal.SIGCONT)
    hits = counted(metrics.QUERY_CACHE_HITS, "ListServices")
    async with asyncio.timeout(10):
        while counted(metrics.QUERY_CACHE_HITS, "ListServices") == hits:
            hurried.store._closed_until = 0.0
            await stub.ListServices(question())


async def test_a_redis_that_is_killed(server: Redis, client: Client) -> None:
    stub = await client.open()
    await stub.ListServices(question())
    server.process.kill()
    server.process.wait(10)
    for _ in range(FAILURES_IN_A_ROW + 1):
        assert (await stub.ListServices(question())).services[0].service_name == "a"
    assert client.store.left_alone
