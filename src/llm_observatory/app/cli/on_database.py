"""How a verb that asks the database one thing does so. Apart from `database.py`, which takes half a second to import."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import typer

from llm_observatory.settings import load
from llm_observatory.storage.connection import AsyncConnection, connect

R = TypeVar("R")


def on_database(work: Callable[[AsyncConnection], Awaitable[R]]) -> R:
    """Run `work` on a connection of its own to the configured database. Raises ConfigError, StorageError."""
    from llm_observatory.app.cli.database import reach

    with reach(load(), say) as target:

        async def run() -> R:
            connection = await connect(target.direct)
            try:
                return await work(connection)
            finally:
                await connection.close()

        return asyncio.run(run())


def say(line: str) -> None:
    """A line of progress: for people, so to standard error."""
    typer.echo(f"  … {line}", err=True)
