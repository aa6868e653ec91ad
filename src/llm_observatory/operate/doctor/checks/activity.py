"""What goes on in the database now, and how fast."""

from __future__ import annotations

from collections.abc import Iterator

from llm_observatory.operate.doctor.advice import maintain, psql
from llm_observatory.operate.doctor.findings import Database, Findings, unknown
from llm_observatory.operate.doctor.line import Line
from llm_observatory.operate.doctor.thresholds import ENOUGH_BLOCKS, shown
from llm_observatory.storage.observe.upkeep import Transaction

_NO_STATEMENTS = "shared_preload_libraries = 'pg_stat_statements', restart PostgreSQL, then "


def cache(found: Findings, database: Database) -> Iterator[Line]:
    """Blocks that were in shared buffers."""
    state = database.seen.database
    if state is None:
        yield unknown("cache hits", database.seen.failed.get("database"))
        return
    limit, ratio = found.thresholds.cache_hit_ratio, state.cache_hit_ratio
    if ratio is None or state.blocks_asked < ENOUGH_BLOCKS:
        yield Line(
            "cache hits", "ok", f"{state.blocks_asked:,} blocks were asked for: too few to judge", str(limit), value=ratio
        )
        return
    yield limit.line("cache hits", ratio, shown(ratio, "ratio"), "more shared_buffers, or narrower time ranges in queries")


def slow_queries(found: Findings, database: Database) -> Iterator[Line]:
    """By pg_stat_statements, where it is installed."""
    has, slow = database.upkeep.has, database.upkeep.slow_queries
    limit = found.thresholds.slow_queries
    if has is not None and not has.pg_stat_statements:
        advice = _NO_STATEMENTS + psql("CREATE EXTENSION pg_stat_statements")
        yield Line("slow queries", "ok", "not known: pg_stat_statements is not installed", str(limit), advice)
    elif slow is None:
        yield unknown("slow queries", database.upkeep.failed.get("slow_queries"))
    elif not slow:
        yield Line("slow queries", "ok", "none", str(limit), value=0.0)
    for one in slow or []:
        says = f"{shown(one.mean_seconds, 'seconds')} on average of {one.calls:,}: {one.query}"
        yield limit.line("slow queries", one.mean_seconds, says, f"llm-observatory maintain explain {one.queryid}")


def locks(found: Findings, database: Database) -> Iterator[Line]:
    """Who waits longest."""
    waiting = database.upkeep.waiting_locks
    if waiting is None:
        yield unknown("locks", database.upkeep.failed.get("waiting_locks"))
        return
    if not waiting:
        yield Line("locks", "ok", "nobody waits", str(found.thresholds.waiting_locks), value=0.0)
        return
    first = waiting[0]
    blockers = ", ".join(map(str, first.blocked_by))
    says = (
        f"{len(waiting)} wait, pid {first.pid} ({first.application}) for {shown(first.seconds, 'seconds')}, on pid {blockers}"
    )
    advice = psql(f"SELECT * FROM pg_stat_activity WHERE pid IN ({blockers or 'NULL'})")
    yield found.thresholds.waiting_locks.line("locks", first.seconds, says, advice)


def transactions(found: Findings, database: Database) -> Iterator[Line]:
    """The oldest, and the one whose client has been silent for longest."""
    opened = database.upkeep.transactions
    if opened is None:
        yield unknown("transactions", database.upkeep.failed.get("transactions"))
        return
    oldest = max(opened, key=lambda one: one.seconds, default=None)
    idle = max((one for one in opened if one.is_idle), key=lambda one: one.seconds_in_state, default=None)
    limits = found.thresholds
    seconds = 0.0 if oldest is None else oldest.seconds
    yield limits.long_transactions.line("long transactions", seconds, _who(oldest, seconds), _end(oldest))
    seconds = 0.0 if idle is None else idle.seconds_in_state
    yield limits.idle_in_transaction.line("idle in transaction", seconds, _who(idle, seconds), _end(idle))


def _who(one: Transaction | None, seconds: float) -> str:
    return "none" if one is None else f"pid {one.pid} ({one.role}, {one.application}) for {shown(seconds, 'seconds')}"


def _end(one: Transaction | None) -> str:
    return "" if one is None else "if nobody needs it: " + maintain(f"terminate --pid {one.pid}")
