"""Who else computes on this machine: what is measured beside other people's work says how much of it there was."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import psutil

from benchmarks.cores import busy_seconds, cpu_seconds
from benchmarks.timescale.database import rows, say
from llm_observatory.storage.connection import AsyncConnection

QUIET_CORES = 0.3
"""What others may take of the cores while something is measured."""

LOOK_SECONDS = 2.0

_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend'"


class Window(NamedTuple):
    """Two moments, and how many cores others used between them."""

    began: float
    ended: float
    others: float


class Patience:
    """Waits for quiet moments, for `seconds` in all."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds

    async def quiet(self) -> None:
        """Return when others let the cores be, or when patience is at its end."""
        began = time.monotonic()
        while self._left > time.monotonic() - began:
            busy = busy_seconds()
            await asyncio.sleep(LOOK_SECONDS)
            if (busy_seconds() - busy) / LOOK_SECONDS < QUIET_CORES:
                break
        waited = time.monotonic() - began
        self._left -= waited
        if waited > 2 * LOOK_SECONDS:
            say(f"waited {waited:.0f} s for a quiet moment")


async def server_processes(connection: AsyncConnection) -> list[int]:
    """Those that serve connections to this database; none where the server is on another machine."""
    found = await rows(connection, _BACKENDS)
    return [pid for (pid,) in found if psutil.pid_exists(pid) and psutil.Process(pid).name() == "postgres"]


@asynccontextmanager
async def window(windows: dict[str, Window], name: str, ours: list[int]) -> AsyncIterator[None]:
    """Take the moments around the block."""
    began, others = time.monotonic(), busy_seconds() - cpu_seconds(ours)
    yield
    ended = time.monotonic()
    windows[name] = Window(began, ended, (busy_seconds() - cpu_seconds(ours) - others) / (ended - began))
