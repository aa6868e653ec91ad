"""Probes: what becomes of settings in the database when they change."""

from __future__ import annotations

from typing import Any

from llm_observatory.settings import Settings
from tests.engines.capability import YES, Section
from tests.engines.target import Target

RECONCILIATION = Section(
    "Settings",
    "What the database itself must know of the settings is compared with them at start, after SIGHUP and every minute, and"
    " what differs is set.",
)

CHANGED = Settings(
    chunk_interval="6h",
    compress_after="2d",
    retention="120d",
    content_retention="10d",
    rollup_retention="400d",
    copy_direct_compress=True,
)

_STATE = (
    """
    SELECT hypertable_name, proc_name, schedule_interval, config FROM timescaledb_information.jobs
    WHERE job_id >= 1000 ORDER BY 1, 2, 4
    """,
    "SELECT hypertable_name, time_interval FROM timescaledb_information.dimensions ORDER BY 1, 2",
)


@RECONCILIATION.capability(
    "changed settings are applied",
    text="And changed back they leave nothing behind. *Nothing to apply*: partitions are made and dropped by the settings of"
    " the process, and the database knows none of them.",
    tried="chunk interval, compression, all retentions and `COPY_DIRECT_COMPRESS` are changed and changed back; jobs and chunk"
    " intervals are compared, and a second time must change nothing.",
)
async def changed_settings_are_applied(target: Target) -> str:
    before = await _state(target)
    changed = await target.engine.reconcile(target.connection, CHANGED)
    assert await target.engine.reconcile(target.connection, CHANGED) == []
    assert bool(changed) == (await _state(target) != before)
    await target.engine.reconcile(target.connection, Settings())
    assert await target.engine.reconcile(target.connection, Settings()) == []
    assert await _state(target) == before
    return YES if changed else "nothing to apply"


async def _state(target: Target) -> list[list[tuple[Any, ...]]]:
    if not await target.one("SELECT to_regclass('timescaledb_information.jobs') IS NOT NULL"):
        return []
    return [await target.fetch(statement) for statement in _STATE]
