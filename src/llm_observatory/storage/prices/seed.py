"""The price table as the installed version of genai-prices has it: made once a version, replaced as a whole."""

from __future__ import annotations

import asyncio
import json
import sys
from importlib.metadata import version

from llm_observatory.errors import StorageError
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.locks import Lock, transaction_lock
from llm_observatory.storage.translate import translated
from llm_observatory.tables import MODEL_PRICE_NAMES, MODEL_PRICES, Table

LIBRARY = "genai-prices"
OPERATOR = "operator"
"""The source of rows that are never touched here."""

_SOURCES = f"SELECT DISTINCT source FROM {MODEL_PRICES.name} WHERE source <> %s"


def source() -> str:
    """Of the rows of this version; the library itself is not imported for it."""
    return f"{LIBRARY} {version(LIBRARY)}"


async def ensure(connection: AsyncConnection) -> list[str]:
    """Have the prices of this version. Returns what was changed, a line for people; raises StorageError."""
    with translated():
        if await _is_current(connection):
            return []
        document = await _read_library()
        async with connection.transaction():
            await transaction_lock(connection, Lock.RECONCILE)
            if await _is_current(connection):
                return []
            counts = [await _replace(connection, table, document) for table in (MODEL_PRICES, MODEL_PRICE_NAMES)]
            for table in (MODEL_PRICES, MODEL_PRICE_NAMES):
                await connection.execute(f"ANALYZE {table.name}".encode())
    return [f"prices: {counts[0]:,} of {source()}"]


async def _is_current(connection: AsyncConnection) -> bool:
    return await (await connection.execute(_SOURCES.encode(), [OPERATOR])).fetchall() == [(source(),)]


async def _replace(connection: AsyncConnection, table: Table, document: str) -> int:
    await connection.execute(f"DELETE FROM {table.name} WHERE source <> %s".encode(), [OPERATOR])
    columns = ", ".join(column.name for column in table.columns if column.name != "source")
    filled = await connection.execute(
        f"INSERT INTO {table.name} (source, {columns}) SELECT %s, {columns}"
        f" FROM jsonb_populate_recordset(NULL::{table.name}, %s::jsonb -> '{table.name}')".encode(),
        [source(), document],
    )
    return filled.rowcount


async def _read_library() -> str:
    """See `table.py`."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"{__package__}.table", stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, errors = await process.communicate()
    if process.returncode != 0:
        last = errors.decode(errors="replace").strip().rsplit("\n", 1)[-1]
        message = f"the prices of {source()} cannot be read: {last}"
        raise StorageError(message)
    document = said.decode()
    json.loads(document)
    return document
