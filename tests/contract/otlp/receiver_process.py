"""A receiver in a process of its own, to measure memory: prints its port, and after a line on stdin the growth in MiB.

Arguments: `refuse` (the door stays shut) or `slow` (bodies are admitted one by one, 20 ms each); the request limit.
"""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Callable
from pathlib import Path

import structlog
import uvloop

from llm_observatory.errors import Overloaded
from llm_observatory.otlp.entrance import Entrance
from llm_observatory.otlp.grpc_receiver import GrpcReceiver
from llm_observatory.otlp.grpc_server import GrpcServer
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


async def main() -> None:
    receiver = GrpcReceiver(Entrance(Measured(refuse=sys.argv[1] == "refuse"), 4), SIGNALS)
    server = GrpcServer(receiver, max_request_bytes=int(sys.argv[2]))
    port = await server.start("127.0.0.1", 0)
    before = peak_mib()
    print(port, flush=True)  # noqa: T201 - the test reads it
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    print(peak_mib() - before, flush=True)  # noqa: T201 - the test reads it
    await server.stop(1.0)


# stdout is for the test.
structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
uvloop.run(main())
