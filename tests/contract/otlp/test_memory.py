"""Resident memory of a receiver process under requests that would fill it."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import zlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from grpc import aio

from tests.contract.otlp.conftest import MIB, raw_method
from tests.contract.otlp.payloads import trace_request
from tests.plugins.wire import EXPORT_TRACES, frame, raw_client

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of the resident size from /proc")


@dataclass
class Child:
    port: int
    process: asyncio.subprocess.Process

    async def growth(self) -> float:
        """MiB above what it had before the first request; ends the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(b"\n")
        return float(await self.process.stdout.readline())


@contextlib.asynccontextmanager
async def receiver_process(mode: str, limit: int, transport: str = "grpc") -> AsyncIterator[Child]:
    program = Path(__file__).with_name("receiver_process.py")
    process = await asyncio.create_subprocess_exec(
        sys.executable, program, transport, mode, str(limit), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield Child(int(await process.stdout.readline()), process)
        await process.wait()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def flood(port: int, requests: int, body: bytes, connections: int) -> list[grpc.StatusCode]:
    """So many requests at once, over separate connections; their codes."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
    async with contextlib.AsyncExitStack() as stack:
        channels = [
            await stack.enter_async_context(aio.insecure_channel(f"127.0.0.1:{port}", options)) for _ in range(connections)
        ]

        async def call(number: int) -> grpc.StatusCode:
            try:
                await raw_method(channels[number % connections], EXPORT_TRACES)(body)
            except aio.AioRpcError as error:
                return error.code()
            return grpc.StatusCode.OK

        return await asyncio.gather(*map(call, range(requests)))


async def test_refused_bodies_are_never_in_memory() -> None:
    async with receiver_process("refuse", 64 * MIB) as child, raw_client(child.port) as client:
        for _ in range(20):
            stream = await client.call()
            # Refused at once, whatever of the 60 MiB the client still sends.
            await client.send(stream, frame(bytes(MIB), announced=60 * MIB))
            assert (await client.response(stream)).status == grpc.StatusCode.UNAVAILABLE.value[0]
        assert set(await flood(child.port, 20, bytes(8 * MIB), 5)) == {grpc.StatusCode.UNAVAILABLE}
        assert await child.growth() < 16


async def test_bodies_in_memory_are_as_many_as_slots() -> None:
    body = trace_request(name_bytes=8 * MIB)
    async with receiver_process("slow", 16 * MIB) as child:
        codes = await flood(child.port, 40, body, 10)
        assert set(codes) <= {grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE}
        assert grpc.StatusCode.OK in codes
        # 40 bodies are 320 MiB; four slots cost up to 3.2 times their bodies.
        assert await child.growth() < 4 * 8 * 3.2 + 20


async def test_gzip_bombs_do_not_unfold() -> None:
    squeeze = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join(squeeze.compress(bytes(MIB)) for _ in range(200)) + squeeze.flush()
    async with receiver_process("slow", MIB) as child:
        for _ in range(3):
            async with raw_client(child.port) as client:
                stream = await client.call(headers=[("grpc-encoding", "gzip")])
                await client.send(stream, frame(bomb, compressed=True), end=True)
                assert (await client.response(stream)).status == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
        assert await child.growth() < 16
