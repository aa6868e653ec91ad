"""Every check: a function from what was found to its lines, none where it is not about this database."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from llm_observatory.operate.doctor.checks import activity, rooms, running, safety, saved, upkeep
from llm_observatory.operate.doctor.findings import Database, Findings
from llm_observatory.operate.doctor.line import Line

CHECKS: tuple[Callable[[Findings], Iterator[Line]], ...] = (running.service, running.pool, running.database, rooms.disks)

CHECKS_OF_DATABASE: tuple[Callable[[Findings, Database], Iterator[Line]], ...] = (
    running.maintenance,
    running.migrations,
    running.connections,
    saved.backups,
    saved.wal_archive,
    saved.replication,
    saved.certificates,
    rooms.sizes,
    upkeep.rollups,
    upkeep.partitions,
    upkeep.chunks,
    upkeep.jobs,
    upkeep.dead_letters,
    upkeep.ledger,
    upkeep.dead_tuples,
    upkeep.indexes,
    upkeep.bloat,
    upkeep.transaction_ids,
    activity.cache,
    activity.slow_queries,
    activity.locks,
    activity.transactions,
    safety.server_settings,
    safety.superusers,
    safety.logins,
)
