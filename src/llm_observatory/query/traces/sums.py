"""Requests, errors and latency, summed over any range: what rollups know from them, the edges of a range from rows.

Rollups and rows are summed by the same expressions (`tables/rollups.py`), and what is summed can be summed again: it makes no
difference where a range is cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import Literal, NamedTuple

from llm_observatory.query.time_range import DAY, HOUR, TimeRange, cut, moment
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import SQL, Composable, Composed, Identifier, named
from llm_observatory.tables.rollups import TRACE_METRICS, Grain, RollupColumn, RollupView

_LENGTHS: dict[Grain, int] = {"hourly": HOUR, "daily": DAY}
_GRAINS: dict[int, Grain] = {length: grain for grain, length in _LENGTHS.items()}

_SQL = files(__package__) / "sql"
_ROWS, _ROLLUP, _SUMS = named(_SQL, "sums_of_rows"), named(_SQL, "sums_of_rollup"), named(_SQL, "sums")
_COLUMNS = {column.name: column for column in TRACE_METRICS.columns}

Key = Literal["service_name", "span_name", "span_kind", "is_entry"]
Sum = Literal["span_count", "error_count", "timed_count", "duration_ns_sum", "duration_ms_max", "duration_buckets"]


class Piece(NamedTuple):
    """Part of a range, and where its sums come from; None: from the rows."""

    within: TimeRange
    grain: Grain | None


class Sums(NamedTuple):
    """What is summed, by what. `step` is that of buckets in nanoseconds, 0 for one bucket that begins with the range."""

    keys: Sequence[Key]
    sums: Sequence[Sum]
    step: int = 0


def pieces(within: TimeRange, *grains: Grain) -> list[Piece]:
    """A range cut where whole days and hours begin and end, in the order of time; `grains` are used, the coarsest first."""
    parts = cut(within, *(_LENGTHS[grain] for grain in grains))
    return [Piece(part, _GRAINS.get(length)) for part, length in parts]


def statement(
    wanted: Sums, cut: Sequence[Piece], conditions: Sequence[Composed], values: Values, order: Composable
) -> Composed:
    """One row a bucket (nanoseconds) and group: bucket, keys, sums, from all pieces of a range. Needs `tenant` and `limit`."""
    also = SQL("").join([SQL(" AND {}").format(condition) for condition in conditions])
    parts = [_piece(wanted, piece, cut[0].within.start, also, values) for piece in cut]
    merged = [SQL("{}({})::{} AS {}").format(SQL(c.merge), SQL(c.name), SQL(c.type), SQL(c.name)) for c in _of(wanted.sums)]
    return _SUMS.format(
        keys_and_sums=SQL(", ").join([*(Identifier(key) for key in wanted.keys), *merged]),
        pieces=SQL(" UNION ALL ").join(parts),
        positions=_positions(wanted),
        order=order,
    )


def _piece(wanted: Sums, piece: Piece, first: int, also: Composed, values: Values) -> Composed:
    keys = [Identifier(key) for key in wanted.keys]
    bounds = {"start": values.add(moment(piece.within.start)), "end": values.add(piece.within.parameters["end_time"])}
    if piece.grain is not None:
        return _ROLLUP.format(
            bucket=_bucket(SQL("(extract(epoch FROM rollup.bucket) * 1000000000)::int8"), wanted.step, first, values),
            keys_and_sums=SQL(", ").join([*keys, *(Identifier(name) for name in wanted.sums)]),
            rollup=Identifier(RollupView(TRACE_METRICS, piece.grain).name),
            conditions=also,
            **bounds,
        )
    exact = SQL("").join([SQL(" AND {}").format(condition) for condition in piece.within.exact(values)])
    return _ROWS.format(
        bucket=_bucket(
            SQL("((extract(epoch FROM timestamp) * 1000000)::int8 * 1000 + timestamp_nanos)"), wanted.step, first, values
        ),
        keys_and_sums=SQL(", ").join([*keys, *(SQL("{} AS {}").format(SQL(c.raw), SQL(c.name)) for c in _of(wanted.sums))]),
        conditions=SQL("{}{}").format(also, exact),
        positions=_positions(wanted),
        **bounds,
    )


def _bucket(nanoseconds: Composable, step: int, first: int, values: Values) -> Composed:
    if not step:
        return SQL("{}::int8").format(values.add(first))
    length = values.add(step)
    return SQL("{} / {}::int8 * {}::int8").format(nanoseconds, length, length)


def _of(names: Sequence[Sum]) -> list[RollupColumn]:
    return [_COLUMNS[name] for name in names]


def _positions(wanted: Sums) -> SQL:
    return SQL(", ".join(str(position) for position in range(1, len(wanted.keys) + 2)))
