"""The settings of a server, as pg_settings has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.engine.detect import edition
from llm_observatory.storage.translate import translated

# As a connection of ours sees them: jit, which each sets for itself, is always as it should be.
_SETTINGS = "SELECT name, setting, coalesce(unit, ''), vartype, context FROM pg_settings WHERE name = ANY(%s)"

_LISTS = frozenset({"shared_preload_libraries"})


@dataclass(frozen=True, slots=True)
class ServerSetting:
    """`value` in units of `unit`, as 8kB. `restart`: it changes at a restart only."""

    value: str
    unit: str
    kind: str
    restart: bool
    is_list: bool

    @property
    def is_number(self) -> bool:
        """Whether it has an amount."""
        return self.kind in {"integer", "real"}

    @property
    def shown(self) -> str:
        """For people."""
        return f"{self.value} * {self.unit}" if self.unit[:1].isdigit() else f"{self.value}{self.unit}"


async def server_settings(connection: AsyncConnection, names: Sequence[str]) -> dict[str, ServerSetting]:
    """Those of `names` that the server knows, and that this role may see. Raises StorageError."""
    with translated():
        found = await (await connection.execute(_SETTINGS, [list(names)])).fetchall()
    return {
        name: ServerSetting(value, unit, kind, context == "postmaster", name in _LISTS)
        for name, value, unit, kind, context in found
        if value is not None
    }


async def has_timescaledb(connection: AsyncConnection) -> bool:
    """Whether the facts of this database are, or would be, hypertables. Raises StorageError."""
    found = await edition(connection)
    return found is not None and not found[1]
