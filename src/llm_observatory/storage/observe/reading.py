"""One question to the database: a file of `sql/`, and the type whose fields its columns fill."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import TypeVar

from psycopg.rows import class_row

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.translate import translated

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


@cache
def _text(name: str) -> bytes:
    return (files(__package__) / "sql" / f"{name}.sql").read_bytes()
