"""The columnstore of TimescaleDB as `tables/` declares it, and the server settings that its jobs need."""

from __future__ import annotations

from typing import Any

import psycopg
import structlog
from psycopg import sql

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.engine.edition import Edition
from llm_observatory.storage.engine.protocol import LOCK_TIMEOUT
from llm_observatory.storage.locks import Lock, transaction_lock
from llm_observatory.storage.translate import translated
from llm_observatory.tables import BY_NAME, Table

_log = structlog.get_logger(__name__)

_SETTINGS = """
SELECT to_jsonb(s) FROM timescaledb_information.hypertable_columnstore_settings s WHERE hypertable = to_regclass(%s)
"""

JOB_SETTINGS = {
    # Without it 1,000 bodies of 1.3 MB are one datum of more than 1 GB, and compression fails for ever (54000).
    "timescaledb.enable_compressor_batch_limit": "on",
    # A chunk is emptied for an instant at the end of its compression. Tried for 50 ms at a time instead of waiting for a
    # long reader, with everybody who comes after it waiting behind.
    "timescaledb.compress_truncate_behaviour": "truncate_or_delete",
    # A batch may be nearly 1 GB of text, and lz4 asks for room for more than that (XX000, "toast object size is too big").
    # Our own large columns name their method themselves.
    "default_toast_compression": "pglz",
}
"""For whoever compresses: the jobs run as the owner of the tables, so they are settings of that role in this database."""

_ROLE_SETTINGS = """
SELECT coalesce(array_agg(setting), '{}')
FROM pg_db_role_setting, unnest(setconfig) AS setting
WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND setrole = (SELECT oid FROM pg_roles WHERE rolname = current_user)
"""

Columnstore = tuple[tuple[str, ...], tuple[str, ...], frozenset[tuple[str, str]]]
"""segment by, order by, sparse indexes."""


async def set_columnstore(connection: AsyncConnection, table: str, edition: Edition) -> list[str]:
    """Have the columnstore of `table` as declared. What is compressed already stays as it is. Returns what was changed."""
    wanted = _wanted(BY_NAME[table], edition)
    if await _current(connection, table) == wanted:
        return []
    segment_by, order_by, sparse_indexes = wanted
    options = {"compress": "true", "compress_segmentby": ", ".join(segment_by), "compress_orderby": ", ".join(order_by)}
    if sparse_indexes:
        options["sparse_index"] = ", ".join(f"{kind}({column})" for kind, column in sorted(sparse_indexes))
    assignments = (sql.SQL("timescaledb.{} = {}").format(sql.SQL(name), value) for name, value in options.items())
    # ACCESS EXCLUSIVE on the hypertable, for an instant: who reads or writes it queues behind, so nobody is waited for.
    async with connection.transaction():
        await connection.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        await transaction_lock(connection, Lock.RECONCILE)
        await connection.execute(
            sql.SQL("ALTER TABLE {} SET ({})").format(sql.Identifier(table), sql.SQL(", ").join(assignments))
        )
    return [f"{table}: columnstore segmented by {options['compress_segmentby']}, ordered by {options['compress_orderby']}"]


async def set_job_settings(connection: AsyncConnection) -> list[str]:
    """Give this role, in this database, what its jobs need. Returns what was changed."""
    missing = await _missing_settings(connection)
    if not missing:
        return []
    with translated():
        try:
            async with connection.transaction():
                # Two at once would update the same row of the catalog, which PostgreSQL refuses (XX000).
                await transaction_lock(connection, Lock.RECONCILE)
                missing = await _missing_settings(connection)
                for name, value in missing.items():
                    await connection.execute(
                        sql.SQL("ALTER ROLE CURRENT_USER IN DATABASE {} SET {} = {}").format(
                            sql.Identifier(connection.info.dbname), sql.SQL(name), value
                        )
                    )
        except psycopg.errors.InsufficientPrivilege:
            _log.warning("this role may not set its own defaults: have a superuser set them", settings=missing)
            return []
    return [f"{name} = {value} for {connection.info.user}" for name, value in missing.items()]


async def _missing_settings(connection: AsyncConnection) -> dict[str, str]:
    with translated():
        row = await (await connection.execute(_ROLE_SETTINGS)).fetchone()
    current = set(row[0]) if row else set()
    return {name: value for name, value in JOB_SETTINGS.items() if f"{name}={value}" not in current}


def _wanted(table: Table, edition: Edition) -> Columnstore:
    declared = frozenset(table.sparse_indexes if edition.has_sparse_indexes else ())
    return table.segment_by, table.order_by, declared


async def _current(connection: AsyncConnection, table: str) -> Columnstore:
    row = await (await connection.execute(_SETTINGS, [table])).fetchone()
    found: dict[str, Any] = row[0] if row else {}
    # What TimescaleDB adds by itself has another source than "config".
    declared = [entry for entry in found.get("index") or () if entry["source"] == "config"]
    return (
        _names(found.get("segmentby")),
        _names(found.get("orderby")),
        frozenset((entry["type"], str(entry["column"])) for entry in declared),
    )


def _names(listed: str | None) -> tuple[str, ...]:
    """`"timestamp" DESC,trace_id` as it was written."""
    return tuple(name.replace('"', "") for name in listed.split(",")) if listed else ()
