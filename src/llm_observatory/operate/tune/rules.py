"""The rules: for each setting of postgresql.conf its value on a machine, and why.

They are for a server that PostgreSQL has to itself. Where the service, or anything else, runs beside it, give `tune` what is
left of memory and processors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from llm_observatory.operate.tune.machine import Machine

MIB, GIB = 1024**2, 1024**3

LOCKS_OF_A_CHUNK = 5
"""The table and its indexes, each."""

Group = Literal[
    "memory", "promises", "wal", "disk", "connections", "workers", "autovacuum", "planner", "locks", "backups", "logging"
]


@dataclass(frozen=True, slots=True)
class Rule:
    """`optional`: for operators to switch on, a comment in a configuration file."""

    group: Group
    name: str
    value: Callable[[Machine], str]
    why: str
    only_timescaledb: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Advice:
    """One setting with its value, as postgresql.conf takes it."""

    group: Group
    name: str
    value: str
    why: str
    optional: bool


def advise(machine: Machine) -> tuple[Advice, ...]:
    """All settings for `machine`, in the order of a configuration file."""
    return tuple(
        Advice(rule.group, rule.name, rule.value(machine), rule.why, rule.optional)
        for rule in RULES
        if machine.timescaledb or not rule.only_timescaledb
    )


def _between(low: int, value: int, high: int) -> int:
    return max(low, min(value, high))


def _size(size: int) -> str:
    """Whole megabytes, or gigabytes where it is some."""
    return f"{size // GIB}GB" if size >= GIB and size % GIB == 0 else f"{size // MIB}MB"


def _shared_buffers(machine: Machine) -> int:
    return _between(128 * MIB, machine.memory // 4, 32 * GIB)


def _work_mem(machine: Machine) -> int:
    return _between(4 * MIB, (machine.memory - _shared_buffers(machine)) // (3 * machine.connections), 64 * MIB)


def _max_wal_size(machine: Machine) -> int:
    return _between(2 * GIB, machine.memory // 2, 16 * GIB)


def _parallel(machine: Machine) -> int:
    return _between(1, machine.cpus // 2, 4)


def _background_workers(machine: Machine) -> int:
    return _between(8, 2 * machine.cpus, 16) if machine.timescaledb else 0


def _locks(machine: Machine) -> int:
    needed = machine.chunks * LOCKS_OF_A_CHUNK
    return _between(256, 1 << max(needed - 1, 1).bit_length(), 4096)


def _always(value: str) -> Callable[[Machine], str]:
    return lambda _machine: value


def _by_disk(ssd: str, hdd: str) -> Callable[[Machine], str]:
    return lambda machine: ssd if machine.disk == "ssd" else hdd


def _libraries(machine: Machine) -> str:
    return "timescaledb,pg_stat_statements" if machine.timescaledb else "pg_stat_statements"


RULES: tuple[Rule, ...] = (
    Rule("memory", "shared_buffers", lambda m: _size(_shared_buffers(m)), "a quarter of the memory"),
    Rule("memory", "effective_cache_size", lambda m: _size(m.memory * 3 // 4), "what is cached of the disk in all"),
    Rule("memory", "work_mem", lambda m: _size(_work_mem(m)), "per sort and hash: a third of what all connections may have"),
    Rule(
        "memory", "maintenance_work_mem", lambda m: _size(_between(64 * MIB, m.memory // 16, 2 * GIB)),
        "VACUUM, REINDEX and the compression of chunks, a few at a time",
    ),
    Rule("memory", "huge_pages", _always("try"), "fewer page-table entries where the system has them"),
    Rule("promises", "fsync", _always("on"), "without it a crash loses what was acknowledged; the service refuses to store"),
    Rule("promises", "full_page_writes", _always("on"), "without it a crash tears pages; the service refuses to store"),
    Rule("promises", "synchronous_commit", _always("on"), "the service sets it for each commit; this is for everybody else"),
    Rule("wal", "wal_buffers", lambda m: "64MB" if m.memory >= 16 * GIB else "16MB", "a group commit is a few MB at once"),
    Rule("wal", "max_wal_size", lambda m: _size(_max_wal_size(m)), "checkpoints by time, not by volume, in a flood"),
    Rule("wal", "min_wal_size", lambda m: _size(_max_wal_size(m) // 4), "files that are used again instead of made anew"),
    Rule("wal", "checkpoint_timeout", _always("15min"), "fewer full pages in the WAL"),
    Rule("wal", "checkpoint_completion_target", _always("0.9"), "spread over the time until the next"),
    Rule("wal", "wal_compression", _always("lz4"), "full pages at a third of their size; pglz where it is not built in"),
    Rule("disk", "random_page_cost", _by_disk("1.1", "4"), "what a random read costs beside a sequential one"),
    Rule("disk", "effective_io_concurrency", _by_disk("200", "2"), "reads that the disk takes at once"),
    Rule("disk", "maintenance_io_concurrency", _by_disk("200", "10"), "the same for VACUUM and recovery"),
    Rule(
        "connections", "max_connections", lambda m: str(m.connections),
        "committers and read pools of all processes, and ten for people and backups",
    ),
    Rule("workers", "shared_preload_libraries", _libraries, "the engine, and the statistics of statements"),
    Rule(
        "workers", "timescaledb.max_background_workers", lambda m: str(_background_workers(m)),
        "columnstore, retention and refresh jobs", only_timescaledb=True,
    ),
    Rule(
        "workers", "max_worker_processes", lambda m: str(3 + _background_workers(m) + m.cpus),
        "jobs of TimescaleDB, parallel workers, and three for PostgreSQL itself",
    ),
    Rule("workers", "max_parallel_workers", lambda m: str(m.cpus), "as many as there are processors"),
    Rule("workers", "max_parallel_workers_per_gather", lambda m: str(_parallel(m)), "COPY needs the rest"),
    Rule("workers", "max_parallel_maintenance_workers", lambda m: str(_parallel(m)), "the same for an index that is built"),
    Rule(
        "autovacuum", "autovacuum_max_workers", lambda m: str(_between(3, m.cpus // 2, 6)),
        "a new partition of every table grows at the same time",
    ),
    Rule("autovacuum", "autovacuum_naptime", _always("30s"), "queues and the ledger turn over in minutes"),
    Rule("autovacuum", "autovacuum_vacuum_cost_limit", _by_disk("2000", "500"), "or it falls behind COPY"),
    Rule("autovacuum", "autovacuum_vacuum_scale_factor", _always("0.05"), "of queues and the ledger"),
    Rule(
        "autovacuum", "autovacuum_vacuum_insert_scale_factor", _always("0.2"),
        "fact tables only grow: pages are frozen while they are in memory",
    ),
    Rule("autovacuum", "autovacuum_analyze_scale_factor", _always("0.05"), "today's partition changes all day"),
    Rule("planner", "jit", _always("off"), "a trace by its id over 30 chunks takes seconds with it, milliseconds without"),
    Rule(
        "locks", "max_locks_per_transaction", lambda m: str(_locks(m)),
        "one query without bounds locks every chunk and each of its indexes",
    ),
    Rule("backups", "wal_level", _always("replica"), "backups and standbys are made from the WAL"),
    Rule("backups", "archive_timeout", _always("5min"), "what is written is archived within that time, where WAL is archived"),
    Rule(
        "backups", "archive_mode", _always("on"),
        "only with an archive_command: with none WAL fills the disk", optional=True,
    ),
    Rule("logging", "log_min_duration_statement", _always("1s"), "slow statements"),
    Rule("logging", "log_lock_waits", _always("on"), "who waits for whom"),
    Rule("logging", "log_temp_files", _always("64MB"), "sorts that work_mem is too small for"),
    Rule("logging", "log_autovacuum_min_duration", _always("1min"), "where autovacuum takes long"),
    Rule("logging", "log_checkpoints", _always("on"), "whether max_wal_size suffices: they should be timed"),
    Rule("logging", "log_line_prefix", _always("%m [%p] %q%u@%d/%a "), "when, which process, who, from which application"),
    Rule("logging", "track_io_timing", _always("on"), "the time of reads in pg_stat_statements and EXPLAIN"),
)  # fmt: skip
"""One place for every value; the profiles in `deploy/postgres` are rendered from it."""
