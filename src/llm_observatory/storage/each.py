"""The same work on several things, of which one that is busy or broken keeps no other waiting."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

import structlog

from llm_observatory.errors import StorageError
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.translate import translated

_log = structlog.get_logger(__name__)


async def each(connection: AsyncConnection, what: str, names: Iterable[str], work: Callable[[str], Awaitable[None]]) -> None:
    """Do `work`, called `what` in the log, for every name, mostly of a table. The first failure is raised after the last.

    The error names nothing, for it may reach a client; the log names all that failed. A lost connection ends it at once.
    """
    first: StorageError | None = None
    for name in names:
        try:
            with translated():
                await work(name)
        except StorageError as error:
            if connection.closed:
                raise
            _log.warning("left for later", what=what, name=name, error=str(error), sqlstate=error.sqlstate)
            first = first or error
    if first is not None:
        raise first
