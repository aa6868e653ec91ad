"""What maintenance, of ours and of PostgreSQL, should have done."""

from __future__ import annotations

from collections.abc import Iterator

from llm_observatory.operate.doctor.advice import is_ours, maintain, psql
from llm_observatory.operate.doctor.findings import Database, Findings, unknown
from llm_observatory.operate.doctor.line import Line
from llm_observatory.operate.doctor.thresholds import shown
from llm_observatory.tables import DEAD_LETTERS

_MAINTENANCE = "look for `maintenance` in the log of the service: one process of `llm-observatory serve` does it"
_ARRIVAL = next(column.name for column in DEAD_LETTERS.columns if column.role == "time")
_SHOWN = ", ".join(column.name for column in DEAD_LETTERS.columns if column.role in ("fact", "time"))
_NEWEST_LETTERS = f"SELECT {_SHOWN} FROM {DEAD_LETTERS.name} ORDER BY {_ARRIVAL} DESC LIMIT 10"
_VACUUMED = "autovacuum comes by itself; at once: "


def rollups(found: Findings, database: Database) -> Iterator[Line]:
    """The one that is furthest behind."""
    lags = database.seen.rollup_lag
    if not lags:
        yield unknown("rollups", database.seen.failed.get("rollup_lag") or "there are none yet")
        return
    name, seconds = max(lags.items(), key=lambda item: item[1])
    says = f"{name} is {shown(seconds, 'seconds')} behind" if seconds else f"all {len(lags)} are where they should be"
    yield found.thresholds.rollup_lag.line("rollups", seconds, says, f"{_MAINTENANCE}; at once: {maintain('refresh')}")


def partitions(found: Findings, database: Database) -> Iterator[Line]:
    """Made ahead, and dropped in time; where facts are partitions."""
    tables = database.upkeep.partitions
    if tables is None:
        yield unknown("partitions", database.upkeep.failed.get("partitions"))
    if not tables:
        return
    least = min(tables, key=lambda one: one.ahead_seconds)
    says = f"{least.table} has them for {shown(max(0.0, least.ahead_seconds), 'seconds')} to come"
    yield found.thresholds.partitions_ahead.line("partitions", least.ahead_seconds, says, _MAINTENANCE)
    oldest = max(tables, key=lambda one: one.overdue_seconds)
    says = (
        f"the oldest of {oldest.table} outlived it by {shown(oldest.overdue_seconds, 'seconds')}"
        if oldest.overdue_seconds
        else "nothing has outlived it"
    )
    yield found.thresholds.retention_overdue.line("retention", oldest.overdue_seconds, says, _MAINTENANCE)


def chunks(found: Findings, database: Database) -> Iterator[Line]:
    """Compressed in time; where facts are hypertables."""
    late = database.upkeep.late_chunks
    if late is None:
        return
    count = sum(one.chunks for one in late)
    says = ", ".join(f"{one.table}: {one.chunks} are not compressed" for one in late) or "all are compressed that should be"
    advice = f"{psql('SELECT * FROM timescaledb_information.job_errors')}; at once: {maintain('compress')}"
    yield found.thresholds.late_chunks.line("chunks", count, says, advice)


def jobs(found: Findings, database: Database) -> Iterator[Line]:
    """Policies of TimescaleDB."""
    failed = database.upkeep.failed_jobs
    if failed is None:
        return
    says = ", ".join(f"{one.policy} of {one.relation} (job {one.job_id})" for one in failed) or "none failed"
    advice = psql("SELECT * FROM timescaledb_information.job_errors")
    yield found.thresholds.failed_jobs.line("policies", len(failed), says, advice)


def dead_letters(found: Findings, database: Database) -> Iterator[Line]:
    """Requests that the database refused."""
    left = database.seen.left_over
    if left is None:
        yield unknown("dead letters", database.seen.failed.get("left_over"))
        return
    yield found.thresholds.dead_letters.line("dead letters", left.dead_letters, f"{left.dead_letters:,}", psql(_NEWEST_LETTERS))


def ledger(found: Findings, database: Database) -> Iterator[Line]:
    """Whether it is pruned."""
    left = database.seen.left_over
    if left is None:
        yield unknown("ledger", database.seen.failed.get("left_over"))
        return
    oldest = left.ledger_oldest_seconds or 0.0
    limit = found.thresholds.ledger_oldest(found.settings.ledger_retention)
    yield limit.line("ledger", oldest, f"about {left.ledger_rows:,} rows, the oldest {shown(oldest, 'seconds')}", _MAINTENANCE)


def dead_tuples(found: Findings, database: Database) -> Iterator[Line]:
    """The table with the largest share."""
    tables = database.upkeep.dead_tuples
    if tables is None:
        yield unknown("dead tuples", database.upkeep.failed.get("dead_tuples"))
    elif not tables:
        yield Line("dead tuples", "ok", "few in every table", str(found.thresholds.dead_tuples), value=0.0)
    for one in (tables or [])[:1]:
        says = f"{one.table}: {one.dead:,} beside {one.live:,} live, {shown(one.ratio, 'ratio')}"
        mend = maintain("vacuum", one.table) if is_ours(one.table) else psql(f"VACUUM (ANALYZE) {one.table}")
        advice = _VACUUMED + mend
        yield found.thresholds.dead_tuples.line("dead tuples", one.ratio, says, advice)


def indexes(found: Findings, database: Database) -> Iterator[Line]:
    """Those that are only paid for."""
    broken, unused = database.upkeep.invalid_indexes, database.upkeep.unused_indexes
    if broken is None or unused is None:
        failed = database.upkeep.failed
        yield unknown("indexes", failed.get("invalid_indexes") or failed.get("unused_indexes"))
        return
    names = [one.name for one in broken]
    advice = _rebuilt(names[0]) if names else ""
    yield found.thresholds.invalid_indexes.line("invalid indexes", len(names), ", ".join(names) or "none", advice)
    says = ", ".join(f"{one.name} ({shown(one.bytes, 'bytes')})" for one in unused) or "none that is large"
    advice = "is it used on a standby, or once a month? If not: " + (psql(f"DROP INDEX {unused[0].name}") if unused else "")
    yield found.thresholds.unused_indexes.line("unused indexes", len(unused), says, advice)


def bloat(found: Findings, database: Database) -> Iterator[Line]:
    """The one with the largest share that is empty, by an estimate."""
    large = database.upkeep.bloat
    if large is None:
        yield unknown("bloat", database.upkeep.failed.get("bloat"))
    elif not large:
        yield Line("bloat", "ok", "nothing is large enough to matter", str(found.thresholds.bloat), value=0.0)
    for one in sorted(large or [], key=lambda one: -one.ratio)[:1]:
        says = f"{one.name}: about {shown(one.ratio, 'ratio')} of {shown(one.bytes, 'bytes')}, estimated"
        advice = _rebuilt(one.name) if one.is_index else _written_anew(one.name)
        yield found.thresholds.bloat.line("bloat", one.ratio, says, advice)


def _rebuilt(index: str) -> str:
    return maintain("reindex", index) if is_ours(index) else psql(f"REINDEX INDEX CONCURRENTLY {index}")


def _written_anew(table: str) -> str:
    mend = psql(f"VACUUM (FULL, ANALYZE) {table}")
    if is_ours(table):
        mend = f"llm-observatory maintenance on, {maintain('vacuum --full', table)}, llm-observatory maintenance off"
    return f"{mend}; it keeps everybody from the table meanwhile"


def transaction_ids(found: Findings, database: Database) -> Iterator[Line]:
    """How far the oldest that is not frozen is from the wrap-around."""
    state = database.seen.database
    if state is None:
        yield unknown("transaction ids", database.seen.failed.get("database"))
        return
    age = state.transactions_id_age
    advice = "end old transactions and prepared ones, drop replication slots that nobody reads, then " + psql("VACUUM (FREEZE)")
    yield found.thresholds.transactions_id_age.line("transaction ids", age, f"{age:,} since the oldest", advice)
