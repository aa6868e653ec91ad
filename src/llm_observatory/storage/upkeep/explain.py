"""The plan of a statement that pg_stat_statements knows by its id: without its constants, which nobody kept, and never run."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from psycopg.sql import SQL, Identifier

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.translate import translated

# The library may be loaded and the extension missing, and the other way round.
_SCHEMA = """
SELECT nspname FROM pg_extension JOIN pg_namespace ON pg_namespace.oid = extnamespace
WHERE extname = 'pg_stat_statements' AND current_setting('pg_stat_statements.max', true) IS NOT NULL
"""

# One row for each role that sent it, and for functions that did.
_STATEMENT = """
SELECT min(query), sum(calls)::int8, sum(total_exec_time) / nullif(sum(calls), 0), max(max_exec_time)
FROM {}.pg_stat_statements
WHERE queryid = %s AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
HAVING count(*) > 0
"""

# Of 'interval $1' and of extract($1 FROM …), which is what is left without constants, no parser makes anything.
_TYPED = re.compile(r"\b(interval|timestamptz|timestamp|date|time|uuid|bytea|jsonb|json)\s+(\$\d+)", re.IGNORECASE)
_EXTRACTED = re.compile(r"\bextract\s*\(\s*(\$\d+)\s+FROM\b", re.IGNORECASE)

# NULL for every parameter, and no partition left out because of them.
_GENERIC = (
    "SELECT set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_partition_pruning', 'off', true)"
)
_NUMBER = "SELECT cardinality(parameter_types) FROM pg_prepared_statements WHERE name = 'explained'"


class Slow(NamedTuple):
    """A statement as pg_stat_statements has it."""

    statement: str
    calls: int
    mean_ms: float | None
    longest_ms: float


async def schema(connection: AsyncConnection) -> str | None:
    """Where pg_stat_statements is; None: it is not installed, or not loaded. Raises StorageError."""
    with translated():
        row = await (await connection.execute(_SCHEMA)).fetchone()
    return None if row is None else str(row[0])


async def known(connection: AsyncConnection, where: str, queryid: int) -> Slow | None:
    """The statement of this id in this database; None: there is none, or not for this login. Raises StorageError."""
    with translated():
        row = await (await connection.execute(SQL(_STATEMENT).format(Identifier(where)), [queryid])).fetchone()
    return None if row is None or row[0] is None else Slow(*row)


async def plan(connection: AsyncConnection, statement: str, *, form: str) -> Any:
    """What EXPLAIN says, as `text` or `json`, in a transaction that cannot write. Raises StorageError."""
    bare = _EXTRACTED.sub(r"date_part(\1,", _TYPED.sub(r"\2::\1", statement))
    with translated():
        async with connection.transaction(force_rollback=True):
            await connection.execute("SET TRANSACTION READ ONLY")
            await connection.execute(_GENERIC)
            # Whoever may log in decides what stands there, perhaps with literals that end earlier for this session than for
            # theirs. Only the extended protocol, by which psycopg asks for binary, takes one statement and no more.
            await connection.execute(f"PREPARE explained AS {bare}".encode(), binary=True)
            row = await (await connection.execute(_NUMBER)).fetchone()
            nulls = ", ".join(["NULL"] * (row[0] if row else 0))
            execute = f"EXECUTE explained({nulls})" if nulls else "EXECUTE explained"
            cursor = await connection.execute(f"EXPLAIN (FORMAT {form}) {execute}".encode())
            rows = await cursor.fetchall()
    return rows[0][0] if form == "json" else "\n".join(line for (line,) in rows)
