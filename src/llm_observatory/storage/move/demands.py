"""What must be so before a database is moved: found out, and said in words, before anything is changed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import psycopg

from llm_observatory.errors import SchemaMismatch
from llm_observatory.storage import migrate
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.engine import edition
from llm_observatory.storage.move.swap import rehearse
from llm_observatory.storage.rollups import that_are_tables
from llm_observatory.storage.rollups.sql import state_table
from llm_observatory.tables import ROLLUP_VIEWS

_NO_TIMESCALEDB = (
    "this database has no TimescaleDB: install it on the server, add timescaledb to shared_preload_libraries, restart"
    " PostgreSQL, and run CREATE EXTENSION timescaledb in this database"
)

# What a table of partitions may have and the hypertable in its place would not, or what a plain copy does not see.
_HINDRANCES = """
WITH facts AS (SELECT oid, relname, relowner, relrowsecurity FROM pg_class
               WHERE relkind = 'p' AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
                 AND relname = ANY(%s))
SELECT format('%%s belongs to %%s: run this as that role', facts.relname, pg_get_userbyid(relowner))
FROM facts WHERE pg_get_userbyid(relowner) <> current_user
UNION ALL SELECT format('%%s has row level security, which a hypertable with a columnstore cannot have', facts.relname)
FROM facts WHERE relrowsecurity
UNION ALL SELECT format('%%s has grants on single columns: grant on the table, or take them away first', facts.relname)
FROM facts WHERE EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = facts.oid AND a.attacl IS NOT NULL)
UNION ALL SELECT format('%%s is a partition without bounds, which is never ours: move its rows and drop it first', c.relname)
FROM facts JOIN pg_inherits i ON i.inhparent = facts.oid JOIN pg_class c ON c.oid = i.inhrelid
WHERE pg_get_expr(c.relpartbound, c.oid) ~ 'DEFAULT|MINVALUE|MAXVALUE'
UNION ALL SELECT DISTINCT format('%%s reads %%s: drop it, and make it again afterwards', v.oid::regclass, facts.relname)
FROM facts JOIN pg_depend d ON d.refobjid = facts.oid AND d.classid = 'pg_rewrite'::regclass
JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class
WHERE v.relkind = 'm' OR v.relkind = 'v' AND v.reloptions IS NOT NULL
UNION ALL SELECT DISTINCT format('%%s speaks of %%s: drop it, make it again afterwards', d.objid::regprocedure, facts.relname)
FROM facts JOIN pg_type t ON t.typrelid = facts.oid JOIN pg_depend d ON d.refobjid = t.oid AND d.classid = 'pg_proc'::regclass
"""

# What keeps a rollup that is a table from becoming a continuous aggregate.
_OVER_ROLLUPS = """
WITH rollups AS (SELECT oid, relname, reltype FROM pg_class
                 WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND relname = ANY(%s))
SELECT DISTINCT format('%%s reads %%s: drop it, and make it again afterwards', v.oid::regclass, rollups.relname)
FROM rollups JOIN pg_depend d ON d.refobjid = rollups.oid AND d.classid = 'pg_rewrite'::regclass
JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class v ON v.oid = r.ev_class
WHERE v.oid NOT IN (SELECT oid FROM rollups)
UNION ALL SELECT DISTINCT format('%%s speaks of %%s: drop it, make it again afterwards', d.objid::regprocedure, rollups.relname)
FROM rollups JOIN pg_depend d ON d.refobjid IN (rollups.oid, rollups.reltype) AND d.classid = 'pg_proc'::regclass
"""


async def demand(connection: AsyncConnection, tables: Sequence[str], chunk_interval: timedelta) -> None:
    """Raise SchemaMismatch, in words that say what to do, where this database cannot be moved as it is."""
    await connection.execute("SET client_min_messages = warning")
    found = await edition(connection)
    if found is None:
        raise SchemaMismatch(_NO_TIMESCALEDB)
    pending = await migrate.pending(connection)
    if pending:
        raise SchemaMismatch(f"{pending[0]}: run `llm-observatory migrate up` first")
    hindrances = [words for (words,) in await (await connection.execute(_HINDRANCES, [list(tables)])).fetchall()]
    if found[0].community:
        hindrances += await _over_rollups(connection)
    if hindrances:
        raise SchemaMismatch("nothing was changed; in the way of the move: " + "; ".join(hindrances))
    for table in tables:
        try:
            await rehearse(connection, table, chunk_interval)
        except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected):
            continue  # in use now: the swap itself is more patient
        except psycopg.Error as error:
            message = f"nothing was changed; {table} cannot be swapped for a hypertable: {error.diag.message_primary or error}"
            raise SchemaMismatch(message) from error


async def _over_rollups(connection: AsyncConnection) -> list[str]:
    made_anew = [rollup for rollup in await that_are_tables(connection) if not rollup.always_tables]
    views = [view for view in ROLLUP_VIEWS if view.rollup in made_anew]
    names = [name for view in views for name in (view.name, state_table(view))]
    return [words for (words,) in await (await connection.execute(_OVER_ROLLUPS, [names])).fetchall()]
