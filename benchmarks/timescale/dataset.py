"""The data set: some tens of days, the older ones compressed, and where its days lie."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from psycopg import sql

from benchmarks.timescale.database import elapsed, opened, row, rows, say
from benchmarks.timescale.pool import fill_day, make_pool
from llm_observatory.operate.bench.query.compress import compress
from llm_observatory.operate.bench.query.pool import DAY
from llm_observatory.storage.connection import AsyncConnection

TABLES = ("llm_traces", "trace_index", "llm_metrics")

_DROP = "SELECT drop_chunks(%s::regclass, newer_than => %s::timestamptz, older_than => %s::timestamptz)"

_UNCOMPRESSED = """
SELECT range_start FROM timescaledb_information.chunks
WHERE hypertable_name = 'llm_traces' AND NOT is_compressed AND range_end <= %s ORDER BY range_start
"""

_OLDEST = """
SELECT range_start FROM timescaledb_information.chunks WHERE hypertable_name = 'llm_traces' ORDER BY range_start LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Dataset:
    """About `spans` spans over whole days that end at `clock`: that is what the benchmark takes for now.

    Whole days: the newest chunk is as full as it gets, whatever the time of day.
    """

    conninfo: str
    clock: datetime
    days: int
    spans: int
    rowstore_days: int

    @classmethod
    def until_today(cls, conninfo: str, days: int, spans: int, rowstore_days: int) -> Dataset:
        """One that is not loaded yet."""
        return cls(conninfo, datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0), days, spans, rowstore_days)

    @classmethod
    async def kept(cls, conninfo: str) -> Dataset | None:
        """What `load` has left in this database; None if it is another's."""
        async with opened(conninfo) as connection:
            (mark,) = await row(connection, "SELECT obj_description(to_regclass('benchmark_pool'), 'pg_class')")
        if mark is None:
            return None
        made: dict[str, Any] = json.loads(mark)
        return cls(**{**made, "clock": datetime.fromisoformat(made["clock"]), "conninfo": conninfo})

    @property
    def first(self) -> datetime:
        """When it begins."""
        return self.clock - self.days * DAY

    def day(self, number: int) -> datetime:
        """The beginning of a day, from 0; from the end, from -1."""
        return (self.clock if number < 0 else self.first) + number * DAY

    async def load(self, uncompressed: int) -> None:
        """Older days but the newest `uncompressed` are compressed as soon as they are full, which bounds the disk."""
        async with opened(self.conninfo) as connection:
            await make_pool(connection, self.conninfo, self.first)
            for number in range(self.days):
                day = self.day(number)
                seconds = await fill_day(connection, day, self.spans // self.days)
                said = f"day {number + 1} of {self.days}: loaded in {seconds:.1f} s"
                if number < self.days - self.rowstore_days - uncompressed:
                    said += f", compressed in {sum([await compress(connection, table, day) for table in TABLES]):.1f} s"
                say(said)
            await connection.execute("VACUUM (ANALYZE) llm_traces, trace_index, llm_metrics")
            mark = json.dumps({name: value for name, value in asdict(self).items() if name != "conninfo"}, default=str)
            await connection.execute(sql.SQL("COMMENT ON TABLE benchmark_pool IS {}").format(mark))

    async def load_again(self, days: Iterable[datetime]) -> None:
        """As they were before they were compressed and written to: in a data set that a run before has kept."""
        async with opened(self.conninfo) as connection:
            for day in days:
                await drop_days(connection, day, day + DAY)
                say(f"{day:%m-%d}: loaded again in {await fill_day(connection, day, self.spans // self.days):.1f} s")
            await connection.execute("VACUUM (ANALYZE) llm_traces, trace_index, llm_metrics")

    async def left_to_compress(self) -> list[datetime]:
        """Older days that are not compressed."""
        async with opened(self.conninfo) as connection:
            return [day for (day,) in await rows(connection, _UNCOMPRESSED, self.day(-self.rowstore_days))]

    async def oldest(self, number: int) -> list[datetime]:
        """Days that are there: a run before may have dropped some."""
        async with opened(self.conninfo) as connection:
            return [day for (day,) in await rows(connection, _OLDEST, number)]


async def drop_days(connection: AsyncConnection, begin: datetime, end: datetime) -> float:
    """Drop the days between, as the retention policies do. Returns the seconds it took for the spans."""
    seconds = {table: await elapsed(connection, _DROP, table, begin, end) for table in TABLES}
    return seconds["llm_traces"]
