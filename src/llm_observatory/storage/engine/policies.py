"""The jobs of TimescaleDB that the settings ask for: each is there once, and no other of their kind.

Columnstore, retention, refresh and, since 2.29, compaction. A policy that TimescaleDB or an operator added to a table of ours
and that says something else is replaced: settings rule. Whether a job is paused (`alter_job(…, scheduled => false)`) is the
operator's business as long as it is the right one. Jobs that are no policies, and reordering, are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from psycopg import sql

from llm_observatory.quantity import show_duration
from llm_observatory.settings import Settings
from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.engine.edition import Edition
from llm_observatory.storage.engine.kept import kept_for, refresh_window, rollup_kept_for
from llm_observatory.storage.engine.protocol import LOCK_TIMEOUT
from llm_observatory.storage.locks import Lock, transaction_lock
from llm_observatory.tables import AGGREGATE_VIEWS, BY_NAME

HOUR = timedelta(hours=1)
REFRESH_EVERY = timedelta(minutes=10)
"""How long a late record takes at most to be seen in its hour, and twice that in its day, which is made of hours. A run without
late records refreshes nothing but a new hour."""
BUCKETS_PER_BATCH = 24
"""Of a refresh: TimescaleDB's default (1 in 2.21, 10 since 2.25) takes minutes to go over 90 empty days by the hour."""
COMPACT_EVERY = timedelta(minutes=5)

_JOBS = """
SELECT job_id, proc_name, schedule_interval,
       (SELECT coalesce(jsonb_object_agg(key, extract(epoch FROM value::interval)), '{}') FROM jsonb_each_text(config)
        WHERE key IN ('compress_after', 'drop_after', 'start_offset', 'end_offset'))
FROM timescaledb_information.jobs
WHERE hypertable_schema = current_schema() AND hypertable_name = %s AND proc_name = ANY(%s)
"""

_DELETE = "SELECT delete_job(%s)"

KINDS = {
    "policy_compression": "compress after {compress_after}",
    "policy_retention": "drop after {drop_after}",
    "policy_refresh_continuous_aggregate": "refresh from {start_offset} to {end_offset} before now",
    "policy_compaction": "compact",
}
"""What each kind does, in words; the names are those of its arguments."""

_ADD = {
    "policy_compression": "add_compression_policy",
    "policy_retention": "add_retention_policy",
    "policy_refresh_continuous_aggregate": "add_continuous_aggregate_policy",
    "policy_compaction": "add_compaction_policy",
}


@dataclass(frozen=True, slots=True)
class Policy:
    """A job of `kind`, with these arguments, run every so often."""

    kind: str
    every: timedelta
    arguments: tuple[tuple[str, timedelta], ...] = ()
    options: tuple[tuple[str, int], ...] = ()
    """Set when it is made, and the operator's to change afterwards."""

    def __str__(self) -> str:
        return KINDS[self.kind].format_map({name: show_duration(value) for name, value in self.arguments})


def wanted(settings: Settings, edition: Edition, whole: timedelta) -> Iterator[tuple[str, tuple[Policy, ...]]]:
    """Every relation that may have policies, and those it should have. `whole`: how far back rows are whole."""
    compact = settings.copy_direct_compress and edition.has_compaction_policy
    for table in BY_NAME.values():
        if table.partitioned:
            compress = Policy("policy_compression", HOUR, (("compress_after", settings.compress_after),))
            drop = Policy("policy_retention", HOUR, (("drop_after", kept_for(table, settings)),))
            yield table.name, (compress, drop, *([Policy("policy_compaction", COMPACT_EVERY)] if compact else []))
    for view in AGGREGATE_VIEWS:
        window = refresh_window(view.grain, settings, whole)
        refresh = (("start_offset", window.start), ("end_offset", window.end))
        batches = (("buckets_per_batch", BUCKETS_PER_BATCH),) if edition.refreshes_in_batches else ()
        yield (
            view.name,
            (
                Policy("policy_refresh_continuous_aggregate", REFRESH_EVERY, refresh, batches),
                Policy("policy_retention", HOUR, (("drop_after", rollup_kept_for(view.grain, settings)),)),
            ),
        )


async def set_policies(connection: AsyncConnection, relation: str, policies: tuple[Policy, ...]) -> list[str]:
    """Have exactly `policies` on `relation`. Returns what was changed."""
    if not (await _difference(connection, relation, policies)).any:
        return []
    async with connection.transaction():
        await connection.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])
        await transaction_lock(connection, Lock.RECONCILE)
        difference = await _difference(connection, relation, policies)
        for job in difference.unwanted:
            await connection.execute(_DELETE, [job])
        for policy in difference.missing:
            await connection.execute(_add(relation, policy))
    dropped = [f"{relation}: a policy was dropped"] * (len(difference.unwanted) - len(difference.missing))
    return [f"{relation}: {policy}" for policy in difference.missing] + dropped


@dataclass(frozen=True, slots=True)
class _Difference:
    unwanted: list[int]
    missing: list[Policy]

    @property
    def any(self) -> bool:
        return bool(self.unwanted or self.missing)


async def _difference(connection: AsyncConnection, relation: str, policies: tuple[Policy, ...]) -> _Difference:
    missing = list(policies)
    unwanted: list[int] = []
    cursor = await connection.execute(_JOBS, [relation, list(KINDS)])
    for job, kind, every, arguments in await cursor.fetchall():
        found = next((policy for policy in missing if _is(policy, kind, every, arguments)), None)
        if found is None:
            unwanted.append(job)
        else:
            missing.remove(found)
    return _Difference(unwanted, missing)


def _is(policy: Policy, kind: str, every: timedelta, arguments: dict[str, float]) -> bool:
    wanted_arguments = {name: value.total_seconds() for name, value in policy.arguments}
    return (policy.kind, policy.every, wanted_arguments) == (kind, every, arguments)


def _add(relation: str, policy: Policy) -> sql.Composed:
    arguments = [*policy.arguments, ("schedule_interval", policy.every), *policy.options]
    return sql.SQL("SELECT {}({}, {})").format(
        sql.SQL(_ADD[policy.kind]),
        relation,
        sql.SQL(", ").join(sql.SQL("{} => {}").format(sql.SQL(name), value) for name, value in arguments),
    )
