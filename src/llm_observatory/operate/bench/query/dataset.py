"""What is asked about: days of spans, the older ones compressed, a day of log records, complete rollups and search filters."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from importlib.resources import files

from psycopg import sql

from llm_observatory.operate.bench.query.compress import compress
from llm_observatory.operate.bench.query.database import Say, elapsed, opened, row, rows, timescaledb
from llm_observatory.operate.bench.query.options import Options
from llm_observatory.operate.bench.query.pool import DAY, fill_logs, fill_spans, make_logs_pool, make_pool
from llm_observatory.settings import Settings
from llm_observatory.storage import rollups, search_filters
from llm_observatory.storage.compose import named
from llm_observatory.storage.connection import AsyncConnection, connect
from llm_observatory.storage.engine.current import CurrentEngine
from llm_observatory.storage.search_filters.work import SETTLE
from llm_observatory.tables import AGGREGATE_VIEWS

_SQL = files(__package__) / "sql"
_DEFAULTS = Settings()
ROWSTORE_DAYS = _DEFAULTS.compress_after // DAY
"""The newest days, which COMPRESS_AFTER leaves as they are."""

_MARK = "SELECT obj_description(to_regclass('benchmark_pool'), 'pg_class')"
_REFRESH = "CALL refresh_continuous_aggregate(%s::regclass, %s::timestamptz, %s::timestamptz)"
_LOGS = "SELECT EXISTS (SELECT FROM llm_logs WHERE timestamp >= %s AND timestamp < %s)"


class Dataset:
    """About `spans` spans over whole days that end at `clock`, which is what questions take for now."""

    def __init__(self, conninfo: str, clock: datetime, days: int, spans: int) -> None:
        self.conninfo = conninfo
        self.clock = clock
        self.days = days
        self.spans = spans

    @classmethod
    def until_today(cls, conninfo: str, options: Options) -> Dataset:
        """One that is not loaded yet."""
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return cls(conninfo, midnight, options.days, options.spans)

    @classmethod
    async def kept(cls, conninfo: str) -> Dataset | None:
        """What `load` or `python -m benchmarks.timescale --keep` has left in this database; None if it is another's."""
        async with opened(conninfo) as connection:
            (mark,) = await row(connection, _MARK)
        if mark is None:
            return None
        made = json.loads(mark)
        return cls(conninfo, datetime.fromisoformat(made["clock"]), made["days"], made["spans"])

    @property
    def first(self) -> datetime:
        """When it begins."""
        return self.clock - self.days * DAY

    async def load(self, say: Say) -> None:
        """Spans, the older days compressed as soon as they are full, which bounds the disk."""
        engine = CurrentEngine(lambda: connect(self.conninfo), _DEFAULTS)
        async with opened(self.conninfo) as connection:
            columnstore = await timescaledb(connection)
            await make_pool(connection, self.conninfo, self.first, say)
            for number in range(self.days):
                day = self.first + number * DAY
                await engine.ensure_partitions([int((day + DAY / 2).timestamp()) * 1_000_000])
                said = f"day {number + 1} of {self.days}: {await fill_spans(connection, day, self.spans // self.days):.1f} s"
                if columnstore and number < self.days - ROWSTORE_DAYS:
                    seconds = sum([await compress(connection, name, day) for name in ("llm_traces", "trace_index")])
                    said += f", compressed in {seconds:.1f} s"
                say(said)
            await connection.execute("VACUUM (ANALYZE) llm_traces, trace_index")
            mark = {"clock": str(self.clock), "days": self.days, "spans": self.spans, "rowstore_days": ROWSTORE_DAYS}
            await connection.execute(sql.SQL("COMMENT ON TABLE benchmark_pool IS {}").format(json.dumps(mark)))

    async def complete(self, logs: int, say: Say) -> None:
        """Log records of the newest day where there are none, rollups, search filters: what upkeep makes behind ingest."""
        async with opened(self.conninfo) as connection:
            day = self.clock - DAY
            (there,) = await row(connection, _LOGS, day, self.clock)
            if not there:
                await make_logs_pool(connection, self.conninfo, day, say)
                say(f"{logs:,} log records: {await fill_logs(connection, day, logs):.1f} s")
                await connection.execute("VACUUM (ANALYZE) llm_logs")
            say(f"rollups: {await self._fill_rollups(connection):.1f} s")
            await self._build_filters(connection, say)
            # A service does not become ready where there are tables that nothing declares.
            await connection.execute(named(_SQL, "aside"))

    async def _fill_rollups(self, connection: AsyncConnection) -> float:
        if await timescaledb(connection):
            return sum(
                [await elapsed(connection, _REFRESH, view.name, self.first - DAY, self.clock) for view in AGGREGATE_VIEWS]
            )
        began = datetime.now(UTC)
        await rows(connection, named(_SQL, "touched"), self.first, self.clock)
        while await rollups.work_off(connection, began + DAY, self.first):
            pass
        return (datetime.now(UTC) - began) / timedelta(seconds=1)

    async def _build_filters(self, connection: AsyncConnection, say: Say) -> None:
        await rows(connection, named(_SQL, "wanted_filters"), self.first, self.clock)
        built = 0
        while found := await search_filters.work_off(connection, self.clock + SETTLE, self.first):
            built += found
            say(f"search filters: {built} hours are built")
