"""How much room there is, and what takes it."""

from __future__ import annotations

from collections.abc import Iterator

from llm_observatory.operate.doctor.findings import Database, Findings, unknown
from llm_observatory.operate.doctor.line import Line
from llm_observatory.operate.doctor.thresholds import shown

LARGEST = 3


def disks(found: Findings) -> Iterator[Line]:
    """Those of this machine."""
    for disk in found.disks:
        says = f"{disk.path}: {shown(disk.ratio, 'ratio')} used, {shown(disk.free, 'bytes')} free"
        advice = "make room: a larger disk, a shorter RETENTION (docs/configuration.md), or backups that are due to go"
        yield found.thresholds.disk.line(f"disk, {disk.name}", disk.ratio, says, advice)


def sizes(_: Findings, database: Database) -> Iterator[Line]:
    """For the eye: the database, and its largest tables."""
    state, tables = database.seen.database, database.seen.table_sizes
    if state is None or tables is None:
        yield unknown("size", database.seen.failed.get("table_sizes") or database.seen.failed.get("database"))
        return
    largest = sorted(tables.items(), key=lambda item: -item[1])[:LARGEST]
    says = ", ".join(f"{name} {shown(size, 'bytes')}" for name, size in largest)
    yield Line("size", "ok", f"{shown(state.size_bytes, 'bytes')}: {says}", value=state.size_bytes)
