"""A receiver in a process of its own, to measure memory: prints its port, and after a line on stdin the growth in MiB.

Arguments: `grpc` or `http`; `refuse` (the door stays shut) or `slow` (bodies are admitted one by one, 20 ms each); the request
limit.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import structlog
import uvloop

from llm_observatory.errors import Overloaded
from llm_observatory.otlp.cors import Cors
from llm_observatory.otlp.entrance import Entrance
from llm_observatory.otlp.grpc_receiver import GrpcReceiver
from llm_observatory.otlp.grpc_server import GrpcServer
from llm_observatory.otlp.http_receiver import HttpReceiver
from llm_observatory.otlp.http_server import HttpServer
from llm_observatory.pipeline.flight import ExportResult
from llm_observatory.pipeline.signal import SIGNALS, Signal

ADMISSION_SECONDS = 0.02


class Measured:
    """Takes a body in, and forgets it; or nothing at all."""

    def __init__(self, *, refuse: bool) -> None:
        self._refuse = refuse
        self._one = asyncio.Semaphore(1)

    async def admit(self, signal: Signal, hold_until: float) -> None:
        if self._refuse:
            raise Overloaded

    async def export(
        self, signal: Signal, tenant: str, payload: bytes, hold_until: float, on_admitted: Callable[[], None]
    ) -> ExportResult:
        async with self._one:
            await asyncio.sleep(ADMISSION_SECONDS)
        del payload
        on_admitted()
        return ExportResult(b"", 1, 0)


def peak_mib() -> float:
    """The highest resident size so far."""
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    assert peak is not None
    return int(peak[1]) / 1024


def server(transport: str, entrance: Entrance, limit: int) -> GrpcServer | HttpServer:
    """A server that is as the service's own."""
    if transport == "grpc":
        return GrpcServer(GrpcReceiver(entrance, SIGNALS), max_request_bytes=limit)
    paths = {f"/v1/{signal.name}": signal for signal in SIGNALS}
    receiver = HttpReceiver(entrance, paths, max_request_bytes=limit, max_items=200_000, cors=Cors((), (), timedelta()))
    return HttpServer(receiver, header_timeout=10.0, idle_timeout=60.0)


async def main(transport: str, mode: str, limit: str) -> None:
    serving = server(transport, Entrance(Measured(refuse=mode == "refuse"), 4), int(limit))
    port = await serving.start("127.0.0.1", 0)
    before = peak_mib()
    print(port, flush=True)  # noqa: T201 - the test reads it
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    print(peak_mib() - before, flush=True)  # noqa: T201 - the test reads it
    await serving.stop(1.0)


# stdout is for the test.
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
uvloop.run(main(*sys.argv[1:]))
