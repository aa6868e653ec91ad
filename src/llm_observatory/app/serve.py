"""The life of the process, from top to bottom; leaving the blocks from bottom to top is the order of stopping.

Start: sidecar, database in the background, write path, OTLP port; until the database is ready records are refused with
UNAVAILABLE. Stop: NOT_SERVING, no new calls, flush, acks, committers, pools, embedded server, and the sidecar last.
One task group owns every task; if one falls the process drains and ends.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
import uvloop

from llm_observatory import __version__, codec, metrics
from llm_observatory.app import descriptors, preflight, sidecar, signals
from llm_observatory.app import log as logging_setup
from llm_observatory.app.console import Console
from llm_observatory.app.database import Database
from llm_observatory.app.health import Health, Part
from llm_observatory.app.lag import watch_loop_lag
from llm_observatory.app.otlp_servers import OtlpServers, otlp_servers
from llm_observatory.app.reload import Reload
from llm_observatory.app.write_check import WriteCheck
from llm_observatory.app.write_path import LiveLimits, write_path
from llm_observatory.errors import ObservatoryError
from llm_observatory.otlp.grpc_server import GrpcServer
from llm_observatory.pipeline.ingest import Ingest
from llm_observatory.settings import Settings
from llm_observatory.storage.engine.current import CurrentEngine
from llm_observatory.storage.maintenance import Maintenance

if TYPE_CHECKING:
    from llm_observatory.app.cache_probe import RedisProbe

log = structlog.get_logger(__name__)

PROBE_SECONDS = 1.0

DRAIN_SHARE, CALLS_SHARE, DATABASE_SHARE = 0.6, 0.7, 0.2
"""Of SHUTDOWN_GRACE: until unresolved requests are refused by us, until calls are cut off, for the embedded server."""


SWITCH_SECONDS = 0.0005
"""How long the encode thread may keep the interpreter from the event loop, 5 ms by default. An ack takes several turns of the
loop: beside a flood that is encoded without pause its median was 22 to 25 ms, with this 13 ms, and the flood no slower."""

BACKGROUND_SECONDS = 1.0
"""How long stopping waits for one task in the background."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What listens, and where."""

    otlp_grpc: int
    otlp_http: int
    sidecar: int


def run(settings: Settings, console: Console, *, share_port: bool = False) -> None:
    """Serve until a signal. Raises what ended it otherwise: one ObservatoryError, or whatever nobody expected, all of it."""
    logging_setup.configure(settings.log_level)
    _choose_codec(settings.observatory_codec)
    descriptors.raise_limit()
    # Before a port is bound or said to be open.
    preflight.claim(settings)
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        uvloop.run(serve(settings, console, share_port=share_port))
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


async def serve(settings: Settings, console: Console, *, share_port: bool = False) -> None:
    """See the module."""
    health = Health(max_connections=settings.db_pool_max_connections, redis=Part() if settings.redis_url else None)
    redis = _redis_probe(settings)
    database = Database(settings, health, console.progress)
    engine = CurrentEngine(database.connect, settings)
    maintenance = Maintenance(database.connect_direct, settings, engine)
    reload = Reload(settings, maintenance, engine)
    stop = asyncio.Event()
    failures = _Failures(stop)

    async def refresh() -> None:
        database.refresh_pool()

    async with asyncio.TaskGroup() as tasks:
        with signals.handled(stop, reload.now):
            app = sidecar.application(health, refresh, metrics_enabled=settings.metrics_enabled)
            async with (
                sidecar.serving(app, settings.listen_host, settings.health_check_port, tasks) as sidecar_port,
                _background(tasks, "loop-lag", watch_loop_lag()),
                _closing(settings, database, redis),
                write_path(settings, database.connect, engine, health, tasks) as (ingest, check),
            ):
                reload.follow(LiveLimits(ingest))
                otlp = otlp_servers(settings, ingest, share_port=share_port)
                grpc_port, http_port = await otlp.start(settings, share_port=share_port)
                console.listening(settings, database.place, Ports(grpc_port, http_port, sidecar_port))
                async with (
                    _background(tasks, "maintenance", failures.guard(_maintain(database, maintenance, stop))),
                    _background(tasks, "health", failures.guard(_watch(database, redis, health, check, otlp.grpc, console))),
                    _drained(settings, health, otlp, ingest, stop),
                ):
                    await stop.wait()
    failures.raise_first()
    log.info("stopped")


def _redis_probe(settings: Settings) -> RedisProbe | None:
    if settings.redis_url is None:
        return None
    from llm_observatory.app.cache_probe import RedisProbe  # noqa: PLC0415 - 0.4 s of import, for a cache that few have

    return RedisProbe.of(settings.redis_url, settings.redis_timeout_secs)


async def _watch(
    database: Database, redis: RedisProbe | None, health: Health, check: WriteCheck, server: GrpcServer, console: Console
) -> None:
    """Bring the database up, then probe for ever; clients of `grpc.health.v1` hear of every change."""
    await database.bring_up()
    serving = said = False
    while True:
        await database.probe()
        await check.recheck()
        if redis is not None and health.redis is not None:
            await redis.probe(health.redis)
        if health.ready != serving:
            serving = health.ready
            if serving:
                log.info("ready", version=__version__)
            else:
                log.warning("not ready", reasons=health.reasons)
            await server.set_serving(serving=serving)
        if serving and not said:
            console.ready()
            said = True
        await asyncio.sleep(PROBE_SECONDS)


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
    settings: Settings, health: Health, otlp: OtlpServers, ingest: Ingest, stop: asyncio.Event
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
            async with asyncio.TaskGroup() as both:
                both.create_task(otlp.stop(grace * CALLS_SHARE))
                both.create_task(ingest.drain(loop.time() + grace * DRAIN_SHARE))


@asynccontextmanager
async def _closing(settings: Settings, database: Database, redis: RedisProbe | None) -> AsyncIterator[None]:
    """On leaving: pools, Redis, the embedded server."""
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
