"""Building the filters: of hours that are over, the newest first, for a share of the time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any, NamedTuple

import structlog
from psycopg import sql

from llm_observatory.errors import StorageError
from llm_observatory.storage.compose import named
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.in_place import all_in_place
from llm_observatory.storage.locks import Lock, transaction_lock
from llm_observatory.storage.search_filters import entries
from llm_observatory.storage.search_filters.bloom import Builder
from llm_observatory.storage.statements import statement
from llm_observatory.storage.translate import translated
from llm_observatory.storage.turns import Hour, Turns
from llm_observatory.tables import LLM_LOGS, LLM_TRACES, Table

_log = structlog.get_logger(__name__)

SETTLE = timedelta(minutes=5)
"""After its end: most late records have come by then, and a filter that is built again costs as much as the first time. An hour
that late records come into is built once in as long (REST_SECONDS), and read meanwhile."""

BUDGET_SECONDS = 6.0
"""Of a round, which is a minute: a tenth of one core at most."""

HOURS_A_ROUND = 500
ROWS_AT_ONCE = 2_000
STATEMENT_TIMEOUT = "10min"
_HOUR = timedelta(hours=1)
_DAY = timedelta(days=1)
_SQL = files("llm_observatory.storage") / "sql"
_RECORDS, _QUEUE = named(_SQL, "search_filter_records"), named(_SQL, "queue_search_filters")


class _Kind(NamedTuple):
    """How rows of a signal are read: the columns of a text each, and the attributes that have become columns."""

    table: Table
    document: str
    texts: tuple[str, ...]
    promoted: dict[str, str]


def _promoted(table: Table) -> dict[str, str]:
    """Texts that are looked up by equality, by column: the canonical attribute."""
    return {
        column.name: column.op.split(":")[1]
        for column in table.columns
        if column.op.startswith("attr:") and column.type == "text" and column.role == "id"
    }


KINDS = {
    "traces": _Kind(LLM_TRACES, "attributes", (), _promoted(LLM_TRACES)),
    "logs": _Kind(LLM_LOGS, "attributes", ("message", "body"), _promoted(LLM_LOGS)),
}
"""By signal."""


async def work_off(connection: AsyncConnection, now: datetime, oldest: datetime, turns: Turns | None = None) -> int:
    """Build filters that are missing, for BUDGET_SECONDS at most, and drop those before `oldest`. Returns how many were built.

    None of records of which some stand aside, to be moved to TimescaleDB. `turns`: those of the rounds before. Raises
    StorageError; of an hour whose filter cannot be built after all others.
    """
    deadline, turns = time.monotonic() + BUDGET_SECONDS, turns or Turns()
    built = 0

    async def work(hour: Hour) -> None:
        nonlocal built
        built += await build(connection, hour)

    with translated():
        await connection.execute(statement("drop_search_filters").encode(), {"oldest": oldest})
        within = {"oldest": oldest, "newest": now - _HOUR - SETTLE}
        missing = {**within, "signals": list(KINDS), "limit": HOURS_A_ROUND + turns.tried}
        found = await (await connection.execute(statement("missing_search_filters").encode(), missing)).fetchall()
        hours = [Hour(*row) for row in found]
        failure = await turns.work_off(connection, "search filters", hours, work, deadline=deadline, done_rests=True)
    if failure is not None:
        raise failure
    return built


async def queue_day(connection: AsyncConnection, before: datetime, oldest: datetime) -> datetime | None:
    """Ask for the filters of the day before `before` that are missing.

    Nobody asked for those of what came in before an upgrade. Returns what to go on with, None when `oldest` is reached: the
    same again where a table was busy, or its records stand aside, which keeps the others from nothing. Raises StorageError when
    the connection is lost.
    """
    begin, asked = max(before - _DAY, oldest), True
    for signal, kind in KINDS.items():
        queue = _QUEUE.format(table=sql.Identifier(kind.table.name))
        try:
            with translated():
                async with connection.transaction():
                    if await all_in_place(connection, kind.table.name):
                        await connection.execute(queue, {"signal": signal, "begin": begin, "end": before})
                    else:
                        asked = False
        except StorageError as error:
            if connection.closed:
                raise
            _log.info("missing filters are asked for later", table=kind.table.name, error=str(error), sqlstate=error.sqlstate)
            asked = False
    if not asked:
        return before
    return begin if begin > oldest else None


async def build(connection: AsyncConnection, hour: Hour) -> bool:
    """Build one. Nobody collects changes meanwhile (Lock.ROLLUPS): what comes in now is queued and takes it away later.

    False while records stand aside: a filter would say that they are not there when they are.
    """
    kind, builder = KINDS[hour.signal], Builder()
    async with connection.transaction():
        await connection.execute("SELECT set_config('statement_timeout', %s, true)", [STATEMENT_TIMEOUT])
        await transaction_lock(connection, Lock.ROLLUPS)
        if not await all_in_place(connection, kind.table.name):
            return False
        async with connection.cursor("records") as cursor:
            await cursor.execute(_select(kind), {"tenant": hour.tenant, "begin": hour.hour, "end": hour.hour + _HOUR})
            while rows := await cursor.fetchmany(ROWS_AT_ONCE):
                # A hundred milliseconds for ten thousand spans: not on the loop.
                await asyncio.to_thread(_fill, builder, kind, rows)
        filed = {**hour._asdict(), "bits": builder.finish()}
        await connection.execute(statement("file_search_filter").encode(), filed)
    return True


def _select(kind: _Kind) -> sql.Composed:
    columns = [sql.SQL("{}::text").format(sql.Identifier(name)) for name in (kind.document, *kind.texts)]
    return _RECORDS.format(
        columns=sql.SQL(", ").join([*columns, *map(sql.Identifier, kind.promoted)]), table=sql.Identifier(kind.table.name)
    )


def _fill(builder: Builder, kind: _Kind, rows: Sequence[tuple[Any, ...]]) -> None:
    names, texts = list(kind.promoted.values()), len(kind.texts)
    seen: set[str] = set()
    for source_id, document, *rest in rows:
        builder.add(entries.source(source_id.bytes))
        if document not in seen:  # many are alike
            seen.add(document)
            for entry in entries.document(document):
                builder.add(entry)
        for entry in (*_words(rest[:texts]), *entries.of_columns(names, tuple(rest[texts:]))):
            builder.add(entry)


def _words(texts: Sequence[str | None]) -> Iterator[entries.Entry]:
    for text in texts:
        if text is not None:
            yield from entries.words(text)
