"""How a verb that asks the database one thing does so. Apart from `database.py`, which takes half a second to import."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from llm_observatory.app.cli.output import say
from llm_observatory.settings import load
from llm_observatory.storage.connection import AsyncConnection, connected

R = TypeVar("R")


def on_database(work: Callable[[AsyncConnection], Awaitable[R]]) -> R:
    """Run `work` on a connection of its own to the configured database. Raises ConfigError, StorageError."""
    from llm_observatory.app.cli.database import reach

    with reach(load(), say) as target:

        async def run() -> R:
            async with connected(target.direct) as connection:
                return await work(connection)

        return asyncio.run(run())
