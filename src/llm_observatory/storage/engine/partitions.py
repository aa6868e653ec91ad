"""Partitions of plain PostgreSQL: which exist, which range is still free, what a new one is called.

Ranges are half-open, in microseconds since the Unix epoch. Slots are multiples of CHUNK_INTERVAL from the epoch; after the
interval was changed the old partitions stay as they are, and new ones fill what they leave free of a slot.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from llm_observatory.storage.connection import AsyncConnection

HOUR_US = 3_600_000_000
DAY_US = 24 * HOUR_US

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# Bounds are read back as text in this session's time zone and parsed in the same: no zone is lost. Open ends, and bounds beyond
# what int8 holds, become the far ends that no time of ours reaches. A DEFAULT partition, which is never ours, has no bounds
# and is left out.
_LIST = r"""
SELECT n.nspname, c.relname, i.inhdetachpending,
       greatest(least(extract(epoch FROM lower::timestamptz) * 1000000, 4611686018427387904), -4611686018427387904)::int8,
       greatest(least(extract(epoch FROM upper::timestamptz) * 1000000, 4611686018427387904), -4611686018427387904)::int8
FROM pg_inherits i
JOIN pg_class c ON c.oid = i.inhrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''?([^'')]+)''?\) TO \(''?([^'')]+)''?\)') AS bound
) b
CROSS JOIN LATERAL (
    SELECT replace(b.bound[1], 'MINVALUE', '-infinity') AS lower, replace(b.bound[2], 'MAXVALUE', 'infinity') AS upper
) ends
WHERE i.inhparent = %s::regclass AND b.bound IS NOT NULL
ORDER BY 4
"""


class Range(NamedTuple):
    """From `lower` up to, not including, `upper`."""

    lower: int
    upper: int


class Partition(NamedTuple):
    """One partition of a table. `detaching`: DETACH CONCURRENTLY was interrupted, no row goes there any more."""

    schema: str
    name: str
    detaching: bool
    lower: int
    upper: int


async def existing(connection: AsyncConnection, table: str) -> list[Partition]:
    """The partitions of `table` by lower bound."""
    cursor = await connection.execute(_LIST, [table])
    return [Partition(*row) for row in await cursor.fetchall()]


def overlaps(partition: Partition, slot: Range) -> bool:
    """Whether they share any moment."""
    return partition.lower < slot.upper and slot.lower < partition.upper


def slots(times_us: Iterable[int], interval: int) -> list[Range]:
    """The slots that hold the hours of these times, in order. An hour lies in two where `interval` is not whole hours."""
    starts: set[int] = set()
    for hour in {time - time % HOUR_US for time in times_us}:
        last = hour + HOUR_US - 1
        starts |= {hour - hour % interval, last - last % interval}
    return [Range(start, start + interval) for start in sorted(starts)]


def gaps(taken: Sequence[Partition], slot: Range) -> list[Range]:
    """What `taken` (by lower bound, disjoint) leaves free of `slot`."""
    free: list[Range] = []
    start = slot.lower
    for partition in taken:
        if partition.upper <= start:
            continue
        if partition.lower >= slot.upper:
            break
        if partition.lower > start:
            free.append(Range(start, partition.lower))
        start = partition.upper
    if start < slot.upper:
        free.append(Range(start, slot.upper))
    return free


def microseconds(duration: timedelta) -> int:
    """Whole microseconds."""
    return duration // timedelta(microseconds=1)


def time_us(moment: datetime) -> int:
    """`moment` as this module counts."""
    return microseconds(moment - EPOCH)


def moment(time_us: int) -> datetime:
    """`time_us` as PostgreSQL takes it.

    OTLP's fixed64 nanoseconds end in 2554 and CHUNK_INTERVAL at a hundred years: no bound of ours comes near the year 10000,
    where Python's datetime ends.
    """
    return EPOCH + timedelta(microseconds=time_us)


def partition_name(table: str, span: Range) -> str:
    """`llm_traces_p20261123`, with hour and minute where it does not begin and end at midnight."""
    whole_days = span.lower % DAY_US == 0 and span.upper % DAY_US == 0
    return f"{table}_p{moment(span.lower):{'%Y%m%d' if whole_days else '%Y%m%d_%H%M'}}"
