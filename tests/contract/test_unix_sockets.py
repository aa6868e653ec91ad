"""Unix sockets beside the ports: taken over from the dead, never from the living, closed to strangers, gone at the end."""

# ruff: noqa: ASYNC240 - the files of a test, on nobody else's loop

from __future__ import annotations

import asyncio
import contextlib
import socket
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from grpc import aio

from llm_observatory.errors import ConfigError
from tests.contract.http import conftest as http
from tests.contract.http.connection import connected, post
from tests.contract.otlp import conftest as grpc
from tests.contract.otlp.payloads import trace_request
from tests.contract.otlp.waiting import until
from tests.plugins.scripted_ingest import ScriptedIngest
from tests.plugins.wire import EXPORT_TRACES


@dataclass
class Served:
    """A server on a socket. `send` exports a request by a client of its kind and returns whether it was stored."""

    ingest: ScriptedIngest
    send: Callable[[bytes], AbstractAsyncContextManager[asyncio.Task[bool]]]


@contextlib.asynccontextmanager
async def over_grpc(path: Path) -> AsyncIterator[Served]:
    async with grpc.serve(socket=path) as running:

        @contextlib.asynccontextmanager
        async def send(body: bytes) -> AsyncIterator[asyncio.Task[bool]]:
            async with aio.insecure_channel(f"unix:{path}", [("grpc.use_local_subchannel_pool", 1)]) as channel:

                async def stored() -> bool:
                    return await grpc.raw_method(channel, EXPORT_TRACES)(body) == b""

                yield asyncio.create_task(stored())

        yield Served(running.ingest, send)


@contextlib.asynccontextmanager
async def over_http(path: Path) -> AsyncIterator[Served]:
    async with http.serve(socket=path) as running:

        @contextlib.asynccontextmanager
        async def send(body: bytes) -> AsyncIterator[asyncio.Task[bool]]:
            async with connected(path) as connection:

                async def stored() -> bool:
                    await connection.send(post(body))
                    return (await connection.answer()).status == 200

                yield asyncio.create_task(stored())

        yield Served(running.ingest, send)


SERVERS = {"OTLP_GRPC_SOCKET": over_grpc, "OTLP_HTTP_SOCKET": over_http}
Serve = Callable[[Path], AbstractAsyncContextManager[Served]]


@pytest.fixture(params=SERVERS)
def setting(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def serve(setting: str) -> Serve:
    return SERVERS[setting]


@pytest.fixture
def path() -> Iterator[Path]:
    """A short one: the path of a socket has about 100 bytes."""
    with TemporaryDirectory(prefix="otlp-") as folder:
        yield Path(folder) / "otlp.sock"


async def stored(served: Served, body: bytes) -> bool:
    async with served.send(body) as sent:
        return await sent


async def test_clients_send_over_it_and_it_is_gone_at_the_end(serve: Serve, path: Path) -> None:
    async with serve(path) as served:
        assert await stored(served, trace_request(mark="a"))
        assert await stored(served, trace_request(mark="b"))
        assert served.ingest.committed == [trace_request(mark="a"), trace_request(mark="b")]
    assert list(path.parent.iterdir()) == []


async def test_it_is_open_to_owner_and_group_alone(serve: Serve, path: Path) -> None:
    async with serve(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
        # What else the process makes is as its umask wants it.
        path.with_name("other").touch()
        assert stat.S_IMODE(path.with_name("other").stat().st_mode) != 0o660


async def test_the_socket_of_a_dead_process_is_replaced(serve: Serve, path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    assert path.is_socket()
    async with serve(path) as served:
        assert await stored(served, trace_request())


@pytest.mark.parametrize("backlog", [5, 0])
async def test_one_in_use_is_left_alone(serve: Serve, setting: str, path: Path, backlog: int) -> None:
    with socket.socket(socket.AF_UNIX) as living, contextlib.ExitStack() as queue:
        living.bind(str(path))
        living.listen(backlog)
        if backlog == 0:  # and its queue is full
            queue.enter_context(socket.socket(socket.AF_UNIX)).connect(str(path))
        with pytest.raises(ConfigError, match=rf"cannot listen on {path} \({setting}\): a process listens on it"):
            async with serve(path):
                pass
        assert path.is_socket()


async def test_a_file_that_is_no_socket_is_left_alone(serve: Serve, setting: str, path: Path) -> None:
    path.write_text("precious")
    with pytest.raises(ConfigError, match=rf"\({setting}\): there is a file that is no socket"):
        async with serve(path):
            pass
    assert path.read_text() == "precious"


async def test_a_folder_that_is_not_there_is_named(serve: Serve, setting: str, path: Path) -> None:
    with pytest.raises(ConfigError, match=rf"{setting}.*No such file or directory"):
        async with serve(path.parent / "missing" / "otlp.sock"):
            pass


async def test_a_socket_that_another_process_has_made_since_is_not_removed(path: Path) -> None:
    """Of HTTP alone: grpcio removes what it finds."""
    with socket.socket(socket.AF_UNIX) as successor:
        async with over_http(path):
            path.unlink()
            successor.bind(str(path))
        assert path.is_socket()


async def test_clients_of_one_socket_are_told_apart(serve: Serve, path: Path) -> None:
    """Bodies are read one a connection: two that are stuck at once come from two."""
    async with serve(path) as served:
        served.ingest.room.clear()
        async with contextlib.AsyncExitStack() as clients:
            sent = [await clients.enter_async_context(served.send(trace_request(mark=mark))) for mark in "abc"]
            await until(lambda: served.ingest.exports == 3)
            served.ingest.room.set()
            assert await asyncio.gather(*sent) == [True] * 3
