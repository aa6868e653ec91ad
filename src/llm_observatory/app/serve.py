"""The life of the process, from top to bottom; leaving the blocks from bottom to top is the order of stopping.

Start: sidecar, database in the background, query port, write path, OTLP ports; until the database is ready records and
questions are refused with UNAVAILABLE. Stop: NOT_SERVING, no new calls, flush, acks, what is left of tails and watches,
committers, read pool, embedded server, and the sidecar last. With `--role ingest` there is no query port, with `--role query`
nothing else: no OTLP ports, no committers, no migrations.
One task group owns every task; if one falls the process drains and ends.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import structlog
import uvloop

from llm_observatory import __version__, codec, metrics
from llm_observatory.app import descriptors, preflight, sidecar, signals
from llm_observatory.app import log as logging_setup
from llm_observatory.app.access import Access
from llm_observatory.app.answers import Answers, answers
from llm_observatory.app.console import Console
from llm_observatory.app.database import Database
from llm_observatory.app.health import Health, Part, Reading
from llm_observatory.app.intake import Intake, intake
from llm_observatory.app.lag import watch_loop_lag
from llm_observatory.app.observer import Observer
from llm_observatory.app.read_side import reading_place, reading_url
from llm_observatory.app.reload import Reload
from llm_observatory.app.self_telemetry import self_telemetry
from llm_observatory.app.write_path import LiveLimits
from llm_observatory.errors import ObservatoryError
from llm_observatory.otlp.entrance import DRAIN_READ_SECONDS
from llm_observatory.settings import Settings
from llm_observatory.storage.engine.current import CurrentEngine
from llm_observatory.storage.maintenance import Maintenance

if TYPE_CHECKING:
    from llm_observatory.app.cache_probe import RedisProbe

log = structlog.get_logger(__name__)

Role = Literal["all", "ingest", "query"]
"""What a process does."""

PROBE_SECONDS = 1.0

DRAIN_SHARE, CALLS_SHARE, DATABASE_SHARE = 0.6, 0.7, 0.2
"""Of SHUTDOWN_GRACE: until unresolved requests are refused by us, until calls are cut off, for the embedded server."""


SWITCH_SECONDS = 0.0005
"""How long the encode thread may keep the interpreter from the event loop, 5 ms by default. An ack takes several turns of the
loop: beside a flood that is encoded without pause its median was 22 to 25 ms, with this 13 ms, and the flood no slower."""

COLLECT_AFTER = 10_000
"""So many more objects before the garbage collector looks at the youngest, 700 by default. What a request is made of is in no
cycle (`tests/unit/pipeline/test_let_go.py`), so it found nothing: requests of 32 spans had 0.43 of the rate of those of 512,
with this 0.48 (means of five runs each), and no more memory."""

BODIES_SECONDS = 2 * DRAIN_READ_SECONDS
"""How long stopping waits for bodies: a second to be read, and one for room."""

BACKGROUND_SECONDS = 1.0
"""How long stopping waits for one task in the background."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What listens, and where; None for what this process does not do."""

    otlp_grpc: int | None
    otlp_http: int | None
    query: int | None
    sidecar: int


def run(settings: Settings, console: Console, *, role: Role = "all", share_port: bool = False) -> None:
    """Serve until a signal. Raises what ended it otherwise: one ObservatoryError, or whatever nobody expected, all of it."""
    logging_setup.configure(settings.log_level)
    _choose_codec(settings.observatory_codec)
    descriptors.raise_limit()
    # Before a port is bound or said to be open.
    if role != "query":
        preflight.claim(settings)
    sys.setswitchinterval(SWITCH_SECONDS)
    gc.set_threshold(COLLECT_AFTER)
    try:
        uvloop.run(serve(settings, console, role=role, share_port=share_port))
    except BaseExceptionGroup as group:
        expected, unexpected = group.split(ObservatoryError)
        if expected is None or unexpected is not None:
            raise
        raise _first(expected) from None


def _choose_codec(choice: str) -> None:
    used = codec.select(choice)
    metrics.CODEC_INFO.labels(used.name, used.version).set(1)
    if used.instead_of_native is None:
        log.info("codec", implementation=used.name, version=used.version)
    else:
        log.warning("codec", implementation=used.name, version=used.version, because=used.instead_of_native)


async def serve(settings: Settings, console: Console, *, role: Role = "all", share_port: bool = False) -> None:
    """See the module."""
    health = _health(settings, role)
    metrics.READY.set_function(lambda: health.ready)
    access = Access.of(settings)
    redis = _redis_probe(settings)
    database = Database(settings, health, console.progress)
    engine = CurrentEngine(database.connect, settings)
    maintenance = Maintenance(database.connect_direct, settings, engine)
    reload = Reload(settings, maintenance, engine)
    stop = asyncio.Event()
    failures = _Failures(stop)

    async with asyncio.TaskGroup() as tasks, AsyncExitStack() as life:
        begin = life.enter_async_context
        life.enter_context(signals.handled(stop, reload.now))
        observer = Observer(database.connect_direct, settings) if role != "query" else None
        refresh = _Refresh(observer)
        app = sidecar.application(health, refresh, metrics_enabled=settings.metrics_enabled)
        sidecar_port = await begin(sidecar.serving(app, settings.listen_host, settings.health_check_port, tasks))
        await begin(_background(tasks, "loop-lag", watch_loop_lag()))
        await begin(_closing(settings, database, redis))

        asked = taken = None
        if role != "ingest":
            where = database.reading if role == "all" else partial(reading_url, settings)
            asked = refresh.answers = await begin(answers(settings, access, health, where))
        if role != "query":
            taken = await begin(intake(settings, access, database, engine, health, tasks, share_port=share_port))
            reload.follow(LiveLimits(taken.ingest))
        place = database.place if role != "query" else reading_place(settings)
        console.listening(settings, place, _ports(taken, asked, sidecar_port))

        if role != "query":
            await begin(_background(tasks, "database", failures.guard(database.bring_up())))
            await begin(_background(tasks, "maintenance", failures.guard(_maintain(database, maintenance, stop))))
        if observer is not None and settings.metrics_enabled:
            reload.follow(observer)
            life.callback(observer.close)
            await begin(_background(tasks, "observer", failures.guard(observer.run(database.ready))))
        await begin(
            _background(tasks, "health", failures.guard(_watch(taken, asked, redis, health, _Told(taken, health, console))))
        )
        await begin(_drained(settings, health, taken, asked, stop))
        await begin(self_telemetry(settings, tasks))
        await stop.wait()
    failures.raise_first()
    log.info("stopped")


def _health(settings: Settings, role: Role) -> Health:
    return Health(
        max_connections=settings.db_pool_max_connections,
        redis=Part() if settings.redis_url else None,
        ingests=role != "query",
        reading=Reading(replica=settings.db_read_url is not None) if role != "ingest" else None,
    )


def _ports(taken: Intake | None, asked: Answers | None, sidecar_port: int) -> Ports:
    return Ports(
        None if taken is None else taken.grpc_port,
        None if taken is None else taken.http_port,
        None if asked is None else asked.port,
        sidecar_port,
    )


class _Refresh:
    """Brings the numbers of the read pool, once there is one, and of the database up to date."""

    def __init__(self, observer: Observer | None) -> None:
        self._observer = observer
        self.answers: Answers | None = None

    async def __call__(self) -> None:
        if self.answers is not None:
            self.answers.read_side.refresh_pool()
        if self._observer is not None:
            await self._observer.look()


def _redis_probe(settings: Settings) -> RedisProbe | None:
    if settings.redis_url is None:
        return None
    from llm_observatory.app.cache_probe import RedisProbe  # noqa: PLC0415 - 0.4 s of import, for a cache that few have

    return RedisProbe.of(settings.redis_url, settings.redis_timeout_secs)


class _Told:
    """Tells of every change of readiness: the log, clients of `grpc.health.v1`, and once the console."""

    def __init__(self, taken: Intake | None, health: Health, console: Console) -> None:
        self._taken = taken
        self._health = health
        self._console = console
        self._serving = self._said = False

    def __call__(self) -> None:
        serving = self._health.ready
        if serving != self._serving:
            self._serving = serving
            if serving:
                log.info("ready", version=__version__)
            else:
                log.warning("not ready", reasons=self._health.reasons)
            if self._taken is not None:
                self._taken.servers.grpc.set_serving(serving=serving)
        if serving and not self._said:
            self._console.ready()
            self._said = True


async def _watch(taken: Intake | None, asked: Answers | None, redis: RedisProbe | None, health: Health, told: _Told) -> None:
    """Probe for ever, each by itself: what one waits for keeps nobody from hearing of the others, of maintenance for one."""
    up = None if taken is None else taken.database.ready
    async with asyncio.TaskGroup() as probes:
        if taken is not None:
            probes.create_task(_repeat(taken.probe, told, up))
        if asked is not None:
            probes.create_task(_repeat(asked.probe, told, up))
        if redis is not None and health.redis is not None:
            probes.create_task(_repeat(partial(redis.probe, health.redis), told))


async def _repeat(probe: Callable[[], Awaitable[None]], told: _Told, up: asyncio.Event | None = None) -> None:
    """Probe every second, and at once when the database is `up`."""
    while True:
        await probe()
        told()
        if up is None or up.is_set():
            await asyncio.sleep(PROBE_SECONDS)
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(PROBE_SECONDS):
                    await up.wait()


async def _maintain(database: Database, maintenance: Maintenance, stop: asyncio.Event) -> None:
    """The maintenance loop, once there is something to maintain."""
    await database.ready.wait()
    await maintenance.run(stop)


class _Failures:
    """What background work failed with. The first failure asks for a stop: the process drains before it ends."""

    def __init__(self, stop: asyncio.Event) -> None:
        self._stop = stop
        self._errors: list[Exception] = []

    async def guard(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work`; an error in it must not cancel the requests in flight, as the task group would."""
        try:
            await work
        except Exception as error:  # noqa: BLE001 - raised again by `raise_first`
            self._errors.append(error)
            self._stop.set()

    def raise_first(self) -> None:
        """Raise the first failure, if there was one."""
        if self._errors:
            raise self._errors[0]


@asynccontextmanager
async def _background(tasks: asyncio.TaskGroup, name: str, work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` while the block runs."""
    task = tasks.create_task(work, name=name)
    try:
        yield
    finally:
        task.cancel()
        # What waits for a frozen server's word ends when its connection does, below.
        await asyncio.wait([task], timeout=BACKGROUND_SECONDS)


@asynccontextmanager
async def _drained(
    settings: Settings, health: Health, taken: Intake | None, asked: Answers | None, stop: asyncio.Event
) -> AsyncIterator[None]:
    """On leaving: refuse, flush, answer. From here on the process ends within SHUTDOWN_GRACE, if need be by force."""
    try:
        yield
    finally:
        stop.set()
        health.draining = True
        grace = settings.shutdown_grace.total_seconds()
        loop = asyncio.get_running_loop()
        # No timer of the loop: the interpreter joins threads that still read or encode when the loop is long closed.
        overdue = threading.Timer(grace, _overdue, (grace,))
        overdue.daemon = True
        overdue.start()
        with _Step("drain"):
            async with asyncio.TaskGroup() as every:
                if asked is not None:
                    every.create_task(asked.server.stop(grace * CALLS_SHARE))
                if taken is not None:
                    every.create_task(taken.servers.stop(grace * CALLS_SHARE))
                    every.create_task(_drain(taken, loop.time() + grace * DRAIN_SHARE))


async def _drain(taken: Intake, until: float) -> None:
    """Let bodies that are on their way come in, as long as `Entrance.start_draining` leaves them, then see `Ingest.drain`."""
    with suppress(TimeoutError):
        async with asyncio.timeout_at(min(until, asyncio.get_running_loop().time() + BODIES_SECONDS)):
            await taken.servers.entrance.bodies_are_in()
    await taken.ingest.drain(until)


@asynccontextmanager
async def _closing(settings: Settings, database: Database, redis: RedisProbe | None) -> AsyncIterator[None]:
    """On leaving: Redis, the embedded server."""
    try:
        yield
    finally:
        with _Step("close the database"):
            if redis is not None:
                await redis.close()
            await database.close(settings.shutdown_grace.total_seconds() * DATABASE_SHARE)


class _Step:
    """A step of stopping, logged with its duration."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *failure: object) -> None:
        log.info("stop step done", step=self._name, seconds=round(time.monotonic() - self._began, 3))


def _overdue(grace: float) -> None:
    log.error("not stopped within SHUTDOWN_GRACE: ending at once", seconds=grace)
    os._exit(signals.HARD_EXIT)


def _first(group: BaseExceptionGroup[ObservatoryError]) -> ObservatoryError:
    for error in group.exceptions:
        return _first(error) if isinstance(error, BaseExceptionGroup) else error
    raise AssertionError("an exception group is never empty")
