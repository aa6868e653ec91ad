"""Parts of the life of the process that need no process."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

from llm_observatory.app.serve import _maintain


async def test_maintenance_hears_of_the_stop() -> None:
    """It ends by itself, lock released and connection closed, while the drain still goes on."""
    stop, ready, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def run(told: asyncio.Event) -> None:
        await told.wait()
        ended.set()

    working = asyncio.create_task(_maintain(cast(Any, SimpleNamespace(ready=ready)), cast(Any, SimpleNamespace(run=run)), stop))
    ready.set()
    await asyncio.sleep(0)
    assert not ended.is_set()
    stop.set()
    async with asyncio.timeout(5):
        await working
    assert ended.is_set()
