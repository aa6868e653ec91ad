"""The maintenance loop: of all processes on a database one makes partitions ahead, drops what expired and prunes.

The session lock that makes it the one lives on the connection that does the work: who loses the connection loses both.
No step holds a lock that readers or COPY wait for longer than LOCK_TIMEOUT; what is busy is tried again next round.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog
from psycopg import sql

from llm_observatory import metrics
from llm_observatory.errors import StorageError
from llm_observatory.settings import Settings
from llm_observatory.storage import log_feed, prune, search_filters, usage_corrections
from llm_observatory.storage.clock import DOUBT_SECONDS, Clock
from llm_observatory.storage.connection import AsyncConnection, Connect
from llm_observatory.storage.deadline import deadline, sever
from llm_observatory.storage.each import each
from llm_observatory.storage.engine.current import CurrentEngine
from llm_observatory.storage.engine.partitions import time_us
from llm_observatory.storage.engine.protocol import LOCK_TIMEOUT
from llm_observatory.storage.engine.whole import known_time, marks_ahead, put_marks_back, spans_whole_since
from llm_observatory.storage.forget import forget_dimensions
from llm_observatory.storage.locks import Lock, release_session_lock, try_session_lock
from llm_observatory.storage.translate import translated
from llm_observatory.storage.turns import Turns
from llm_observatory.tables import BY_NAME, DEAD_LETTERS, INGEST_LEDGER, LOG_FEED, PARTITIONED, USAGE_CORRECTIONS

_log = structlog.get_logger(__name__)

INTERVAL_SECONDS = 60.0
RECONNECT_SECONDS = 5.0
STATEMENT_TIMEOUT = "60s"

AHEAD = timedelta(days=7)
"""Whatever ACCEPT_MAX_AHEAD lets in beyond that gets its partitions on demand."""
QUIET_SECONDS = 3600.0
"""No ledger row, and no dimension, is pruned within this time of a start, an outage or a jump of the clock: clients are still
sending again what they held. While the clock is in doubt nothing else expires either (see `clock`); what does not expire goes
on."""
STOP_SECONDS = 1.0
"""For the server to answer when we stop; then the connection is severed."""
ANALYZE_SECONDS = 86_400.0
ANALYZE_RETRY_SECONDS = 3600.0
FORGET_SECONDS = 86_400.0
"""Dimensions are known to the day; until all that can be forgotten is, every round forgets some."""
ANALYZE_ONLY_SINCE = 180000
"""PostgreSQL 18 can leave the partitions out of an ANALYZE of their parent."""

_SESSION = """
SELECT set_config('lock_timeout', %s, false), set_config('statement_timeout', %s, false),
       set_config('application_name', current_setting('application_name') || ' maintenance', false)
"""

Step = Callable[[AsyncConnection], Awaitable[None]]


class Maintenance:
    """One per process. `connect` goes past a transaction pooler (DB_DIRECT_URL): a session lock needs a session."""

    def __init__(
        self, connect: Connect, settings: Settings, engine: CurrentEngine, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._connect = connect
        self._settings = settings
        self._engine = engine
        self._monotonic = monotonic
        self._quiet_from = monotonic()
        self._clock = Clock(monotonic)
        self._marks_ahead_from: float | None = None
        self._analyze_due: dict[str, float] = {}
        self._forget_due = -math.inf
        self._connection: AsyncConnection | None = None
        self._leading = False
        self._usage_turns, self._filter_turns = Turns(), Turns()
        self._filters_before: datetime | None = datetime.max.replace(tzinfo=UTC)
        """Of days before it nobody looked yet whether their filters were asked for: one day a round, once in a process."""

    def reload(self, settings: Settings) -> None:
        """Follow new settings from the next round on."""
        self._settings = settings

    async def run(self, stop: asyncio.Event) -> None:
        """Work in rounds until `stop` is set. Never raises for the database's sake.

        A round at work when `stop` is set is broken off: every step is fit to be interrupted and taken up again.
        """
        try:
            while not stop.is_set():
                pause = INTERVAL_SECONDS
                try:
                    async with asyncio.timeout(None) as limit:
                        watch = asyncio.create_task(self._break_off(stop, limit))
                        try:
                            await self.run_once()
                        finally:
                            watch.cancel()
                except TimeoutError:
                    _log.debug("maintenance was broken off")
                except StorageError as error:
                    _log.warning("maintenance waits for the database", error=str(error), sqlstate=error.sqlstate)
                    pause = RECONNECT_SECONDS
                await _wait(stop, pause)
        finally:
            await self.close()

    async def _break_off(self, stop: asyncio.Event, limit: asyncio.Timeout) -> None:
        await stop.wait()
        limit.reschedule(asyncio.get_running_loop().time())
        # psycopg asks the server to end the statement and waits ten seconds for its word, which a frozen server never gives.
        await asyncio.sleep(STOP_SECONDS)
        if self._connection is not None:
            sever(self._connection)

    async def run_once(self) -> dict[str, str]:
        """One round: how each step ended (`success`, `error`), empty while another process does the work.

        Raises StorageError when there is no connection. The lock is kept for the next round, see `close`.
        """
        try:
            connection = await self._ready()
            await self._look_at_the_clock(connection)  # who does not lead now may lead in the next minute
            if not self._leading:
                with translated():
                    self._leading = await try_session_lock(connection, Lock.MAINTENANCE)
                if self._leading:
                    _log.info("maintenance is done by this process")
            if not self._leading:
                return {}
            await self._engine.look_again(connection)
            return await self._round(connection)
        except StorageError:
            self._quiet_from = self._monotonic()
            await self.close()
            raise

    async def close(self) -> None:
        """Give up lock and connection; another process takes over in its next round."""
        connection, self._connection = self._connection, None
        leading, self._leading = self._leading, False
        if connection is None:
            return
        try:
            if leading and not connection.closed:
                with deadline(connection, STOP_SECONDS), translated():
                    await release_session_lock(connection, Lock.MAINTENANCE)
        except StorageError as error:
            _log.debug("the maintenance lock left with its connection", error=str(error))
        finally:
            await connection.close()

    async def _ready(self) -> AsyncConnection:
        if self._connection is None:
            self._connection = await self._connect()
            with translated():
                await self._connection.execute(_SESSION, [LOCK_TIMEOUT, STATEMENT_TIMEOUT])
        return self._connection

    async def _look_at_the_clock(self, connection: AsyncConnection) -> None:
        now = await _now(connection)
        known = None if self._clock.seen else await known_time(connection, self._settings, now)
        if self._clock.look(now, known):
            self._quiet_from = self._monotonic()

    async def _round(self, connection: AsyncConnection) -> dict[str, str]:
        steps: dict[str, Step] = {
            "reconcile": self._reconcile,
            "partitions": self._make_ahead,
            "rollups": self._follow_changes,  # of what is about to expire, too
            "usage_corrections": self._correct_usage,
            "search_filters": self._build_search_filters,
            "retention": self._drop_expired,
            "ledger": self._prune_ledger,
            "log_feed": self._prune_log_feed,
            "dead_letters": self._prune_dead_letters,
            "dimensions": self._forget_dimensions,
            "analyze": self._analyze,
        }
        outcome: dict[str, str] = {}
        for name, step in steps.items():
            outcome[name] = "error"
            try:
                await step(connection)
                outcome[name] = "success"
            except StorageError as error:
                _log.warning("maintenance step failed", step=name, error=str(error), sqlstate=error.sqlstate)
                if connection.closed:
                    raise
            except Exception:  # noqa: BLE001  # one faulty step must stop neither the others nor the process that takes data in
                _log.exception("maintenance step failed", step=name)
            except asyncio.CancelledError:
                del outcome[name]  # broken off: neither a success nor an error
                raise
            finally:
                if name in outcome:
                    metrics.MAINTENANCE_RUNS.labels(name, outcome[name]).inc()
        return outcome

    async def _reconcile(self, connection: AsyncConnection) -> None:
        for change in await (await self._engine.get(connection)).reconcile(connection, self._settings):
            _log.info("setting applied", change=change)

    async def _make_ahead(self, connection: AsyncConnection) -> None:
        now = await _now(connection)
        times = [now]
        while times[-1] < now + AHEAD:
            times.append(times[-1] + self._settings.chunk_interval)
        engine = await self._engine.get(connection)
        await engine.ensure_partitions(connection, PARTITIONED, map(time_us, times))

    async def _drop_expired(self, connection: AsyncConnection) -> None:
        if self._clock.doubtful:
            return
        now = await _now(connection)
        await self._mend_marks(connection, now)
        await (await self._engine.get(connection)).drop_expired(connection, time_us(now))
        # With the spans that they are of; the days that both are summed up in outlive them.
        await prune.delete_before(connection, USAGE_CORRECTIONS, await spans_whole_since(connection, self._settings, now))

    async def _mend_marks(self, connection: AsyncConnection, now: datetime) -> None:
        """No rollup is computed of what is before a mark. One in the future goes back when it was there for an hour.

        It may be the clock that is wrong, before it is set for the first time.
        """
        if not await marks_ahead(connection, now):
            self._marks_ahead_from = None
        elif self._marks_ahead_from is None:
            self._marks_ahead_from = self._monotonic()
        elif self._monotonic() - self._marks_ahead_from >= DOUBT_SECONDS:
            await put_marks_back(connection, now)

    async def _prune_ledger(self, connection: AsyncConnection) -> None:
        if self._monotonic() - self._quiet_from < QUIET_SECONDS:
            return
        horizon = await _now(connection) - self._settings.ledger_retention
        await prune.delete_before(connection, INGEST_LEDGER, horizon)

    async def _build_search_filters(self, connection: AsyncConnection) -> None:
        now = self._clock.believed(await _now(connection))
        oldest = now - self._settings.retention
        if self._filters_before is not None:
            self._filters_before = await search_filters.queue_day(connection, min(self._filters_before, now), oldest)
        await search_filters.work_off(connection, now, oldest, self._filter_turns)

    async def _correct_usage(self, connection: AsyncConnection) -> None:
        oldest = await spans_whole_since(connection, self._settings, self._clock.believed(await _now(connection)))
        await usage_corrections.work_off(connection, oldest, self._usage_turns)

    async def _prune_log_feed(self, connection: AsyncConnection) -> None:
        await prune.delete_before(connection, LOG_FEED, await _now(connection) - log_feed.KEPT)

    async def _follow_changes(self, connection: AsyncConnection) -> None:
        now = self._clock.believed(await _now(connection))
        await (await self._engine.get(connection)).follow_changes(connection, now)

    async def _prune_dead_letters(self, connection: AsyncConnection) -> None:
        expired = 0
        if not self._clock.doubtful:
            expired = await prune.delete_before(connection, DEAD_LETTERS, await _now(connection) - self._settings.retention)
        crowded = await prune.cap_dead_letters(connection)
        if expired or crowded:
            _log.warning("dead letters dropped", expired=expired, crowded=crowded)

    async def _forget_dimensions(self, connection: AsyncConnection) -> None:
        now = self._monotonic()
        if self._clock.doubtful or now - self._quiet_from < QUIET_SECONDS or now < self._forget_due:
            return
        engine = await self._engine.get(connection)
        if await forget_dimensions(connection, engine, self._settings, await _now(connection)):
            self._forget_due = now + FORGET_SECONDS

    async def _analyze(self, connection: AsyncConnection) -> None:
        """Statistics of the partitioned tables as a whole; autovacuum looks at partitions only.

        Without documents: sampling them reads megabytes that no plan is chosen by.
        """
        if not (await self._engine.get(connection)).analyzes_parents:
            return
        due = [table for table in PARTITIONED if self._analyze_due.get(table, -math.inf) <= self._monotonic()]
        only = sql.SQL("ONLY ") if connection.info.server_version >= ANALYZE_ONLY_SINCE else sql.SQL("")

        async def analyze(table: str) -> None:
            self._analyze_due[table] = self._monotonic() + ANALYZE_RETRY_SECONDS
            columns = [sql.Identifier(column.name) for column in BY_NAME[table].columns if column.role != "document"]
            statement = sql.SQL("ANALYZE {}{} ({})").format(only, sql.Identifier(table), sql.SQL(", ").join(columns))
            await connection.execute(statement)
            self._analyze_due[table] = self._monotonic() + ANALYZE_SECONDS

        await each(connection, "statistics", due, analyze)


async def _now(connection: AsyncConnection) -> datetime:
    """The earlier of our clock and the database's: one that runs ahead must not make data expire."""
    with translated():
        row = await (await connection.execute("SELECT clock_timestamp()")).fetchone()
    ours = datetime.now(UTC)
    return min(ours, row[0]) if row else ours


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        return
