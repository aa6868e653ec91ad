"""One question to the database: a file of `sql/`, and the type whose fields its columns fill."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from importlib.resources import files
from typing import TypeVar

import structlog
from psycopg.rows import class_row

from llm_observatory.errors import ObservatoryError, StorageError
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.probe import words
from llm_observatory.storage.translate import translated

_log = structlog.get_logger(__name__)

R = TypeVar("R")


async def rows(connection: AsyncConnection, name: str, of: type[R], **parameters: object) -> list[R]:
    """What `sql/<name>.sql` gives, a row each. Raises StorageError."""
    async with connection.cursor(row_factory=class_row(of)) as cursor:
        with translated():
            await cursor.execute(_text(name), parameters)
            return await cursor.fetchall()


async def row(connection: AsyncConnection, name: str, of: type[R], **parameters: object) -> R:
    """The same of a question that has one row. Raises StorageError."""
    (found,) = await rows(connection, name, of, **parameters)
    return found


class Reader:
    """Reads one thing after the other; what cannot be read is None, and `failed` says why. A lost connection ends it."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection
        self.failed: dict[str, str] = {}

    async def __call__(self, name: str, ask: Callable[[], Awaitable[R]]) -> R | None:
        """What `ask` gives. Raises StorageError when the connection is lost."""
        try:
            return await ask()
        except ObservatoryError as error:
            if self._connection.closed:
                raise
            self.failed[name] = words(error) if isinstance(error, StorageError) else str(error)
            _log.warning("a reading failed", reading=name, error=self.failed[name])
            return None


@cache
def _text(name: str) -> bytes:
    return (files(__package__) / "sql" / f"{name}.sql").read_bytes()
