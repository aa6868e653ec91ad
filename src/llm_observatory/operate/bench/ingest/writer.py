"""Writers beside the service: bare COPY of what the codec made, and what a user of two drivers would write by hand.

One transaction a group, all tables, synchronous_commit on, as many connections as the service has committers.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from itertools import chain
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from llm_observatory.operate.bench.ingest.rows import Group, TableRows, groups
from llm_observatory.operate.bench.ingest.samples import Outcome, Sample
from llm_observatory.settings import Settings
from llm_observatory.storage.binary import copy_statement
from llm_observatory.storage.connection import complete, connect
from llm_observatory.storage.engine.current import CurrentEngine
from llm_observatory.storage.transaction import BEGIN

PREPARED_STREAM_BYTES = 256 * 1024**2
PREPARED_VALUE_BYTES = 64 * 1024**2
"""Of rows that are made before a turn, at most; as Python values they take several times that of memory."""


@dataclass(frozen=True, slots=True)
class WriteTurn:
    """What is written for `seconds`: groups of about `group_rows` spans over `connections`, `expected` spans made beforehand.

    A turn ends early when all that was made is written: nothing is encoded, and nothing written twice, while it runs.
    """

    driver: str
    conninfo: str
    connections: int
    group_rows: int
    seconds: float
    expected: int
    chunk_us: int | None


class Write:
    """A performer (see `process.Performer`).

    Connections are closed when the next turn is prepared: a server process that has ended takes the CPU it used with it.
    """

    def __init__(self, data_set: str, items: int, seed: int) -> None:
        self._making = (data_set, items, seed)
        self._streams: dict[int, Iterator[Group]] = {}
        self._values: dict[int, list[Group]] = {}
        self._runner = asyncio.Runner()
        self._opened: _Psycopg | _Asyncpg | None = None

    def prepare(self, turn: WriteTurn) -> None:
        """Connect, make groups, and the partitions for them."""
        if self._opened is not None:
            self._opened.close()
        self._groups = self._made(turn) if turn.driver == "copy" else self._kept(turn)
        self._runner.run(_ensure_partitions(turn.conninfo, {hour for group in self._groups for hour in group.hours}))
        self._opened = _Asyncpg(turn, self._runner) if turn.driver == "asyncpg" else _Psycopg(turn)

    def perform(self) -> Outcome:
        """Write."""
        assert self._opened is not None  # noqa: S101 - it was prepared
        return self._opened.write(self._groups)

    def _made(self, turn: WriteTurn) -> deque[Group]:
        """COPY streams that no turn before has written."""
        source = self._streams.setdefault(turn.group_rows, self._endless(turn))
        return deque(_enough(turn, source, PREPARED_STREAM_BYTES))

    def _kept(self, turn: WriteTurn) -> deque[Group]:
        """Python values, the same every turn: making them takes several times as long as writing them."""
        kept = self._values.setdefault(turn.group_rows, [])
        if sum(group.items for group in kept) < turn.expected and sum(group.size for group in kept) < PREPARED_VALUE_BYTES:
            kept[:] = _enough(turn, chain(kept, self._endless(turn)), PREPARED_VALUE_BYTES)
        return deque(kept)

    def _endless(self, turn: WriteTurn) -> Iterator[Group]:
        data_set, items, seed = self._making
        own_seed = seed + len(self._streams) + sum(map(len, self._values.values()))
        return groups(data_set, items, own_seed, turn.group_rows, turn.chunk_us, decoded=turn.driver != "copy")


def _enough(turn: WriteTurn, source: Iterator[Group], max_bytes: int) -> list[Group]:
    """At least one for each connection: how fast some of them are is not what is measured."""
    made: list[Group] = []
    rows = size = 0
    while (rows < turn.expected and size < max_bytes) or len(made) < turn.connections:
        made.append(next(source))
        rows, size = rows + made[-1].items, size + made[-1].size
    return made


class _Work:
    """What is left to write, shared by all connections, and what came of it."""

    def __init__(self, turn: WriteTurn, made: deque[Group]) -> None:
        self._made = made
        now = time.monotonic()
        self.outcome = Outcome(now, now + turn.seconds)

    def __iter__(self) -> Iterator[Group]:
        """Groups until the end; takes the time each needs."""
        while (began := time.monotonic()) < self.outcome.until:
            try:
                group = self._made.popleft()
            except IndexError:
                self.outcome.until = min(self.outcome.until, began)
                return
            yield group
            self.outcome.samples.append(Sample(began, time.monotonic(), group.items))
            self.outcome.transactions += 1


class _Psycopg:
    """A thread for each connection: libpq lets go of the interpreter while it waits."""

    def __init__(self, turn: WriteTurn) -> None:
        self._turn = turn
        conninfo = complete(turn.conninfo, "llm-observatory-bench")
        self._connections = [psycopg.connect(conninfo, autocommit=True) for _ in range(turn.connections)]

    def write(self, made: deque[Group]) -> Outcome:
        """All of them, until the end."""
        work = _Work(self._turn, made)
        with ThreadPoolExecutor(len(self._connections)) as pool:
            for done in [pool.submit(self._write, connection, work) for connection in self._connections]:
                done.result()
        return work.outcome

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            connection.close()

    def _write(self, connection: psycopg.Connection[Any], work: _Work) -> None:
        bare = self._turn.driver == "copy"
        send = _copy_blocks if bare else _write_rows
        for group in work:
            connection.execute(BEGIN)
            for rows in group.tables:
                for statement in rows.before if bare else ():
                    connection.execute(statement.encode())
                send(connection, rows)
            connection.execute("COMMIT")


def _copy_blocks(connection: psycopg.Connection[Any], rows: TableRows) -> None:
    with connection.cursor() as cursor, cursor.copy(copy_statement(rows.table).encode()) as copy:
        for block in rows.blocks:
            copy.write(block)


def _write_rows(connection: psycopg.Connection[Any], rows: TableRows) -> None:
    with connection.cursor() as cursor, cursor.copy(copy_statement(rows.table).encode()) as copy:
        copy.set_types([column.type for column in rows.table.columns])
        for row in rows.values:
            copy.write_row(row)


class _Asyncpg:
    """Connections of asyncpg, on a loop that stays."""

    def __init__(self, turn: WriteTurn, runner: asyncio.Runner) -> None:
        self._turn, self._runner = turn, runner
        self._connections = [runner.run(_asyncpg_connection(turn.conninfo)) for _ in range(turn.connections)]

    def write(self, made: deque[Group]) -> Outcome:
        """All of them, until the end."""
        return self._runner.run(self._write(made))

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            self._runner.run(connection.close())

    async def _write(self, made: deque[Group]) -> Outcome:
        work = _Work(self._turn, made)
        await asyncio.gather(*(_write_with_asyncpg(connection, work) for connection in self._connections))
        return work.outcome


async def _write_with_asyncpg(connection: Any, work: _Work) -> None:
    for group in work:
        async with connection.transaction():
            for rows in group.tables:
                columns = [column.name for column in rows.table.columns]
                await connection.copy_records_to_table(rows.table.name, records=rows.values, columns=columns)


async def _asyncpg_connection(conninfo: str) -> Any:
    given = conninfo_to_dict(conninfo)
    names = {"host": "host", "port": "port", "user": "user", "password": "password", "dbname": "database"}
    connection = await import_module("asyncpg").connect(**{ours: given[name] for name, ours in names.items() if name in given})
    # Its own takes text alone, and COPY is binary: version 1 of jsonb's format, then the document.
    await connection.set_type_codec(
        "jsonb", schema="pg_catalog", format="binary", encoder=_jsonb, decoder=lambda value: json.loads(value[1:])
    )
    return connection


def _jsonb(document: object) -> bytes:
    return b"\x01" + json.dumps(document).encode()


async def _ensure_partitions(conninfo: str, hours: Iterable[int]) -> None:
    await CurrentEngine(lambda: connect(conninfo), Settings()).ensure_partitions(hours)
