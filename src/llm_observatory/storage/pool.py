"""The read pool: connections for queries, read-only, apart from those that commit."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import psycopg
import psycopg_pool

from llm_observatory import metrics
from llm_observatory.settings import Settings
from llm_observatory.storage.connection import AsyncConnection, complete
from llm_observatory.storage.translate import translated

NEAR_CAPACITY_PERCENT = 80.0
CLOSE_SECONDS = 2.0
_TRY_SECONDS = 2.0
STATEMENT_SLACK = timedelta(seconds=5)
"""Above QUERY_TIMEOUT: a statement is cancelled by us, and ended by the server where no word of ours reaches it."""


@dataclass(frozen=True, slots=True)
class PoolStats:
    """The pool at one moment. `max_connections` is DB_POOL_MAX_CONNECTIONS; utilization is active over that."""

    size: int
    active: int
    idle: int
    max_connections: int

    @property
    def utilization_percent(self) -> float:
        """Connections in use, of those there may be."""
        return round(100.0 * self.active / self.max_connections, 1) if self.max_connections else 0.0

    def as_dict(self) -> dict[str, Any]:
        """As /health shows it."""
        percent = self.utilization_percent
        return {**asdict(self), "utilization_percent": percent, "near_capacity": percent >= NEAR_CAPACITY_PERCENT}


class ReadPool:
    """A pool of autocommit, read-only connections (settings DB_POOL_*). It fills in the background and heals by itself."""

    def __init__(self, conninfo: str, settings: Settings) -> None:
        self._acquire_seconds = settings.db_pool_connect_timeout.total_seconds()
        self._active = 0
        self._max_connections = settings.db_pool_max_connections
        self._pool: psycopg_pool.AsyncConnectionPool[AsyncConnection] = psycopg_pool.AsyncConnectionPool(
            _for_queries(complete(conninfo, settings.db_app_name), settings.query_timeout + STATEMENT_SLACK),
            # Statements on facts are never prepared: a generic plan does not know which partitions its times exclude.
            kwargs={"autocommit": True, "prepare_threshold": None},
            connection_class=psycopg.AsyncConnection,
            min_size=settings.db_pool_min_connections,
            max_size=settings.db_pool_max_connections,
            timeout=self._acquire_seconds,
            max_idle=settings.db_pool_idle_timeout.total_seconds(),
            max_lifetime=settings.db_pool_max_lifetime.total_seconds(),
            # Its pauses between tries double without an end: given up early and begun anew they stay at about a second.
            reconnect_timeout=_TRY_SECONDS,
            reconnect_failed=psycopg_pool.AsyncConnectionPool.check,
            name="read",
            open=False,
        )

    async def open(self) -> None:
        """Begin to fill the pool; does not wait for the database."""
        await self._pool.open(wait=False)

    async def close(self) -> None:
        """End all connections."""
        await self._pool.close(CLOSE_SECONDS)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[AsyncConnection]:
        """A connection for one query. Raises StorageUnavailable when none is free within DB_POOL_CONNECT_TIMEOUT."""
        began = time.perf_counter()
        with translated():
            connection = await self._working(began + self._acquire_seconds)
        metrics.CONNECTION_ACQUIRE.observe(time.perf_counter() - began)
        self._active += 1
        try:
            yield connection
        finally:
            self._active -= 1
            await self._pool.putconn(connection)

    async def _working(self, until: float) -> AsyncConnection:
        """A connection that answers; one that was cut is thrown away, and the pool opens another in its place.

        Not the pool's own `check`: after each that was cut it waits, 1 s, then 2 s, 4 s, …, and after a failover all were cut.
        """
        while True:
            connection = await self._pool.getconn(max(0.0, until - time.perf_counter()))
            try:
                await self._pool.check_connection(connection)
            except BaseException as error:
                await self._pool.putconn(connection)
                if not (isinstance(error, psycopg.Error) and connection.closed):
                    raise
            else:
                return connection

    def stats(self) -> PoolStats:
        """The pool now, from memory; the gauges of `storage_pool_connections` are set to the same."""
        # Not psycopg's pool_size: it counts connections that are only being tried.
        idle = self._pool.get_stats().get("pool_available", 0)
        stats = PoolStats(self._active + idle, self._active, idle, self._max_connections)
        for state, value in (("active", stats.active), ("idle", stats.idle), ("max", stats.max_connections)):
            metrics.POOL_CONNECTIONS.labels(state).set(value)
        return stats


def _for_queries(conninfo: str, longest: timedelta) -> str:
    options = str(psycopg.conninfo.conninfo_to_dict(conninfo).get("options") or "")
    ours = f"-c default_transaction_read_only=on -c statement_timeout={longest // timedelta(milliseconds=1)}"
    return psycopg.conninfo.make_conninfo(conninfo, options=f"{options} {ours}".strip())
