"""The engine of this process: found at the first connection, shared by committers and maintenance."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import structlog

from llm_observatory.errors import SchemaMismatch, StorageUnavailable
from llm_observatory.settings import Settings
from llm_observatory.storage.connection import AsyncConnection, Connect
from llm_observatory.storage.deadline import deadline
from llm_observatory.storage.engine.detect import detect
from llm_observatory.storage.engine.protocol import Engine
from llm_observatory.tables import PARTITIONED

_log = structlog.get_logger(__name__)

DEADLINE_SECONDS = 5.0
"""For partitions on demand. What was made until then stays; a retry goes on from there."""


class CurrentEngine:
    """Partitions on demand, on a connection of their own: they must be visible before a committer says BEGIN."""

    def __init__(self, connect: Connect, settings: Settings) -> None:
        self._connect = connect
        self._settings = settings
        self._engine: Engine | None = None
        self._making: dict[tuple[str, ...], asyncio.Lock] = {}
        """By tables: a lock on one of them must not hold up partitions of the others."""

    async def get(self, connection: AsyncConnection) -> Engine:
        """The engine; `connection` is asked which it is if that is not known. Raises StorageError."""
        if self._engine is None:
            await self.look_again(connection)
        assert self._engine is not None  # noqa: S101 - found, or the look raised
        return self._engine

    async def look_again(self, connection: AsyncConnection) -> None:
        """Ask which it is: facts may have been moved, TimescaleDB updated, its licence changed. Raises StorageError."""
        found = await detect(connection, self._settings)
        if str(found) != str(self._engine):
            _log.info("engine", engine=str(found))
            found.follow(self._settings)  # which may be others by now
            self._engine = found

    @property
    def compressed_chunk_us(self) -> int | None:
        """See Engine; None until it is known."""
        return None if self._engine is None else self._engine.compressed_chunk_us

    async def ensure_partitions(self, times_us: Iterable[int], tables: Iterable[str] = PARTITIONED) -> None:
        """See Engine.ensure_partitions. Without I/O when all are known; of several callers for the same tables one works."""
        times, tables = tuple(times_us), tuple(tables)
        if self._known(times, tables):
            return
        making = self._making.setdefault(tables, asyncio.Lock())
        try:
            async with asyncio.timeout(DEADLINE_SECONDS):
                await making.acquire()
        except TimeoutError as error:
            message = "partitions could not be made in time"
            raise StorageUnavailable(message) from error
        try:
            if not self._known(times, tables):
                await self._make(times, tables)
        finally:
            making.release()

    def reload(self, settings: Settings) -> None:
        """Follow new settings: those of the engine itself are applied by the next round of maintenance, in one process."""
        self._settings = settings
        if self._engine is not None:
            self._engine.follow(settings)

    def forget_partitions(self) -> None:
        """Look again next time: after MissingPartition."""
        if self._engine is not None:
            self._engine.forget_partitions()

    def _known(self, times: tuple[int, ...], tables: tuple[str, ...]) -> bool:
        return self._engine is not None and self._engine.knows_partitions(tables, times)

    async def _make(self, times: tuple[int, ...], tables: tuple[str, ...]) -> None:
        connection = await self._connect()
        try:
            with deadline(connection, DEADLINE_SECONDS):
                try:
                    await (await self.get(connection)).ensure_partitions(connection, tables, times)
                except SchemaMismatch:
                    # What was a partitioned table may have become a hypertable under us.
                    await self.look_again(connection)
                    await (await self.get(connection)).ensure_partitions(connection, tables, times)
        finally:
            await connection.close()
