"""The SQL of rollups, rendered from their declaration: one aggregation, in the frames that the two forms need.

All of it is made of names and expressions in `tables/`; nothing from outside is put into it.
"""

from __future__ import annotations

from llm_observatory.tables.rollups import Grain, Rollup, RollupColumn, RollupView

LENGTH: dict[Grain, str] = {"hourly": "1 hour", "daily": "24 hours"}
"""Of a bucket. Hours, not a day: a day of the session's time zone may have 23."""


def state_table(view: RollupView) -> str:
    """The table that holds `view` where it is no continuous aggregate."""
    return f"{view.name}_state"


def columns(rollup: Rollup, of: str) -> str:
    """All columns but tenant and bucket, of the relation called `of`."""
    return ", ".join(f"{of}.{column.name}" for column in rollup.columns)


def continuous_aggregate(view: RollupView) -> str:
    """The SELECT of `view` as a continuous aggregate. A bucket of a day is one of UTC: time_bucket knows no time zone here."""
    rollup = view.rollup
    time, length = ("timestamp", "1 hour") if view.grain == "hourly" else ("bucket", "1 day")
    where = f" WHERE {rollup.where}" if rollup.where and view.grain == "hourly" else ""
    return (
        f"SELECT tenant, time_bucket(INTERVAL '{length}', {time}) AS bucket, {_aggregated(view)}"
        f" FROM {_source(view)}{where} GROUP BY {_positions(len(rollup.keys) + 2)}"
    )


def create_state_table(view: RollupView) -> str:
    """Its table: tenant, bucket and all columns. Nothing but tenant and bucket is NOT NULL, for keys may be missing."""
    own = ", ".join(f"{column.name} {column.type}" for column in view.rollup.columns)
    return f"CREATE TABLE {state_table(view)} (tenant text NOT NULL, bucket timestamptz NOT NULL, {own})"


def fill_state_table(view: RollupView) -> str:
    """INSERT one bucket, %(tenant)s and %(bucket)s, as its source is now."""
    return (
        f"INSERT INTO {state_table(view)} SELECT %(tenant)s::text, %(bucket)s::timestamptz, {columns(view.rollup, 'now')}"
        f" FROM ({_bucket(view, '%(tenant)s::text', '%(bucket)s::timestamptz')}) now"
    )


def delete_from_state_table(view: RollupView) -> str:
    """DELETE of buckets before %s, of %s rows at most: tenant by tenant, as the index has them, and not by a scan a batch."""
    table = state_table(view)
    return (
        f"WITH RECURSIVE tenants AS (SELECT min(tenant) AS tenant FROM {table} UNION ALL"
        f" SELECT (SELECT min(tenant) FROM {table} WHERE tenant > tenants.tenant) FROM tenants WHERE tenant IS NOT NULL),"
        " horizon (bucket) AS (VALUES (%s::timestamptz))"
        f" DELETE FROM {table} WHERE ctid = ANY(ARRAY(SELECT old.ctid FROM tenants CROSS JOIN horizon CROSS JOIN {table} old"
        " WHERE old.tenant = tenants.tenant AND old.bucket < horizon.bucket LIMIT %s))"
    )


def view_over_state(view: RollupView) -> str:
    """The SELECT of `view` over its table: what is computed, and in place of what has changed since, the source itself.

    Rows, their entry in the queue and what is computed from both change in the same transactions, so that a reader sees the
    exact sums of all that is committed, at every moment.
    """
    rollup = view.rollup
    begin = "hour" if view.grain == "hourly" else "date_trunc('day', hour, 'UTC')"
    changed = f"(SELECT DISTINCT tenant, {begin} AS bucket FROM rollup_open WHERE signal = '{rollup.signal}')"
    return (
        f"SELECT state.tenant, state.bucket, {columns(rollup, 'state')} FROM {state_table(view)} state WHERE NOT EXISTS"
        f" (SELECT FROM {changed} open WHERE open.tenant = state.tenant AND open.bucket = state.bucket)"
        f" UNION ALL SELECT open.tenant, open.bucket, {columns(rollup, 'now')} FROM {changed} open"
        f" CROSS JOIN LATERAL ({_bucket(view, 'open.tenant', 'open.bucket')}) now"
    )


ROWS_WHOLE_SINCE = "Rows of all tables are whole since: "
"""In the comment of `rollup_pending`, before a time in ISO 8601."""

OPEN = f"""
SELECT tenant, signal, hour
FROM (SELECT tenant, signal, hour FROM rollup_pending UNION SELECT tenant, signal, hour FROM ingest_touched) changed
WHERE hour >= (
    SELECT coalesce(substring(
        obj_description('rollup_pending'::regclass, 'pg_class') FROM '{ROWS_WHOLE_SINCE}([0-9T:.+-]+)$'
    )::timestamptz, '-infinity')
)
"""
"""The view `rollup_open`: hours whose rows in the tables are out of date. None of which rows were dropped: what was computed of
it is more than what a late record, or an import, would leave of it."""


def _bucket(view: RollupView, tenant: str, begin: str) -> str:
    """SELECT all columns but tenant and bucket, of one bucket of one tenant."""
    rollup = view.rollup
    time = "timestamp" if view.grain == "hourly" else "bucket"
    where = f" AND {rollup.where}" if rollup.where and view.grain == "hourly" else ""
    return (
        f"SELECT {_aggregated(view)} FROM {_source(view)} WHERE tenant = {tenant} AND {time} >= {begin}"
        f" AND {time} < {begin} + INTERVAL '{LENGTH[view.grain]}'{where} GROUP BY {_positions(len(rollup.keys))}"
    )


def _source(view: RollupView) -> str:
    return view.rollup.source if view.grain == "hourly" else RollupView(view.rollup, "hourly").name


def _positions(number: int) -> str:
    return ", ".join(str(position) for position in range(1, number + 1))


def _aggregated(view: RollupView) -> str:
    """Keys, state and derived columns as the SELECT list of an aggregation."""
    rollup = view.rollup
    if view.grain == "hourly":
        keys = {column.name: column.raw for column in rollup.keys}
        state = {column.name: column.raw for column in rollup.state}
    else:
        keys = {column.name: column.name for column in rollup.keys}
        state = {column.name: _merged(column) for column in rollup.state}
    derived = {column.name: column.raw.format_map(state) for column in rollup.derived}
    return ", ".join(f"{expression} AS {name}" for name, expression in {**keys, **state, **derived}.items())


def _merged(column: RollupColumn) -> str:
    # The sum of int8 is numeric, and the aggregate of an array may be an array of anything.
    return f"{column.merge}({column.name})::{column.type}"
