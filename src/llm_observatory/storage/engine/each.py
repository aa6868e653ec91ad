"""The same work on several tables, of which one that is busy or broken keeps no other waiting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import structlog

from llm_observatory.errors import StorageError
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.translate import translated

_log = structlog.get_logger(__name__)


async def each_table(
    connection: AsyncConnection, what: str, tables: Iterable[str], work: Callable[[str], Awaitable[None]]
) -> None:
    """Do `work`, called `what` in the log, for every table. The first failure is raised after the last table.

    The error names no table, for it may reach a client; the log names all that failed. A lost connection ends it at once.
    """
    first: StorageError | None = None
    for table in tables:
        try:
            with translated():
                await work(table)
        except StorageError as error:
            if connection.closed:
                raise
            _log.warning("a table is left for later", what=what, table=table, error=str(error), sqlstate=error.sqlstate)
            first = first or error
    if first is not None:
        raise first
