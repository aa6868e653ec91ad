"""The committers' view of the engine: partitions are made on a connection of their own, visible before BEGIN."""

from __future__ import annotations

from collections.abc import Iterable

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.engine.current import CurrentEngine


class CommitterEngine:
    """`CurrentEngine` for sessions; the committer's own connection is left alone."""

    def __init__(self, current: CurrentEngine) -> None:
        self._current = current

    async def ensure_partitions(self, _connection: AsyncConnection, tables: Iterable[str], times_us: Iterable[int]) -> None:
        """See Engine."""
        await self._current.ensure_partitions(times_us, tables)

    def forget_partitions(self) -> None:
        """See Engine."""
        self._current.forget_partitions()
