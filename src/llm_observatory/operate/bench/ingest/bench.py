"""The order of things: databases, processes, then all lanes in turn, round by round, each round beginning with another."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import median

from llm_observatory.operate.bench.data import DATA_SETS, requests
from llm_observatory.operate.bench.ingest.database import Database, Say, server
from llm_observatory.operate.bench.ingest.load import Load, LoadTurn
from llm_observatory.operate.bench.ingest.noop import NoopServer
from llm_observatory.operate.bench.ingest.options import SMALL_ITEMS, Options
from llm_observatory.operate.bench.ingest.placement import placed
from llm_observatory.operate.bench.ingest.preload import SEED_SPANS, preload
from llm_observatory.operate.bench.ingest.process import LaneFailed, Process
from llm_observatory.operate.bench.ingest.service import ServiceProcess, free_ports
from llm_observatory.operate.bench.ingest.turn import Stage, Turn
from llm_observatory.operate.bench.ingest.writer import Write, WriteTurn
from llm_observatory.settings import Settings

WARM_UP_SECONDS = 0.5
USUAL_ITEMS = 512
"""Of which `Options.clients` are in flight. Of smaller requests more are, so that as many items are."""

MAX_IN_FLIGHT = 256
SLICE_SECONDS = 15.0
"""Of a flood that lasts minutes: after each what is stored is compared, and the tables are emptied."""

LARGE_BYTES = 1024 * 1024
OVERLOAD = 8
"""Times the requests that are in flight otherwise, for the flood."""

_GUESSED = 60_000.0
"""Spans a second, before a lane has been measured."""


class Bench:
    """Everything that was started, as a context; `run` does it all. Raises LaneFailed, StorageError."""

    def __init__(self, options: Options, say: Say, stack: ExitStack) -> None:
        self.options = options
        self.turns: list[Turn] = []
        self._say = say
        self._stack = stack
        self._settings = Settings(copy_direct_compress=options.direct_compress)
        self._rates: dict[str, float] = {}

    def run(self) -> list[Turn]:
        """All turns."""
        options, enter = self.options, self._stack.enter_context
        self._say("starting a database" if options.database_url is None else "making a database on the server that was named")
        on = enter(server(options.database_url, self._say))
        self.database = enter(on.database("main", options.rows, self._settings))
        self._chunk_us = self.database.compressed_chunk_us(self._settings)
        if options.direct_compress and self._chunk_us is None:
            raise LaneFailed("--direct-compress: the server of --database-url has no TimescaleDB that can")
        self._empty = enter(on.database("empty", 0, self._settings)) if options.rows else None
        server_pid = self.database.server_pid()
        self.places = enter(placed(server_pid, pin=options.pin))
        self._watched = {} if server_pid is None else {"database": server_pid}
        self._load = self._process("load generator", Load, options.data_set, options.seed)
        self._write = self._process("writer", Write, options.data_set, options.items, options.seed + 1_000_000)
        if options.rows:
            self._fill(self.database)
        for committers in options.committers:
            self._rounds(committers)
        return self.turns

    def settings(self) -> dict[str, str]:
        """What was measured, on what, for the report."""
        options, engine = self.options, "partitions"
        if self.database.timescaledb:
            engine = f"TimescaleDB {self.database.timescaledb}" + (", direct compress" if options.direct_compress else "")
        return {
            "database": f"PostgreSQL {self.database.version}, {engine}",
            "cores used": self.places,
            "data set": options.data_set,
            "items a request": str(options.items),
            "committers": ", ".join(map(str, options.committers)),
            "rows there before": f"{options.rows:,}",
            "lanes": ", ".join(options.lanes),
            "codecs": ", ".join(options.codecs),
            "rounds": f"{options.rounds} of {options.seconds:g} s",
            "flood": f"{options.minutes:g} min",
            "clients": str(options.clients),
            "seed": str(options.seed),
            **{f"lane {lane}": f"not measured: {lane} is not installed" for lane in options.missing},
        }

    def _process(self, name: str, make: type, *arguments: object) -> Process:
        started = Process(name, make, *arguments)
        self._stack.callback(started.end)
        return started

    def _fill(self, database: Database) -> None:
        self._say(f"making {self.options.rows:,} rows")
        seed = WriteTurn("copy", database.conninfo, 1, SEED_SPANS, 60.0, SEED_SPANS, chunk_us=None)
        self._stage("copy").measure("rows that are there before", 1, self.options.items, seed)
        preload(database, self.options.rows, self._settings, self._say)

    def _rounds(self, committers: int) -> None:
        options, lanes = self.options, self.options.lanes_at(committers)
        usual = committers == options.usual
        with self._services(committers, lanes, usual=usual):
            for number in range(options.rounds + 1):
                said = f"round {number} of {options.rounds}" if number else "warming up"
                self._say(f"{_plural(committers, 'committer')}, {said}: {', '.join(lanes)}")
                first = number % len(lanes) if lanes else 0
                for lane in lanes[first:] + lanes[:first]:
                    turn = self._one(lane, committers, options.seconds if number else min(WARM_UP_SECONDS, options.seconds))
                    self._rates[lane] = turn.rate
                    if number:
                        self.turns.append(turn)
            if usual and "half" in options.lanes:
                self._half(committers)
            if usual and options.minutes:
                self._flood(committers)

    @contextmanager
    def _services(self, committers: int, lanes: list[str], *, usual: bool) -> Iterator[None]:
        """The services that these lanes need, by lane in `self._service`."""
        self._service: dict[str, ServiceProcess] = {}
        first, *others = self.options.codecs
        with ExitStack() as stack:
            if usual or {"grpc", "http"} & set(lanes):
                started = stack.enter_context(self._new_service(self.database, committers, first))
                self._service = dict.fromkeys(("grpc", "http", "small", "half", "flood"), started)
            for codec in others:
                if f"grpc-{codec}" in lanes:
                    self._service[f"grpc-{codec}"] = stack.enter_context(self._new_service(self.database, committers, codec))
            if "grpc-empty" in lanes and self._empty is not None:
                self._service["grpc-empty"] = stack.enter_context(self._new_service(self._empty, committers, first))
            self._noop_port, self._noop = 0, None
            if "noop" in lanes:
                [self._noop_port] = free_ports(1)
                self._noop = Process("noop", NoopServer, self._noop_port)
                stack.callback(self._noop.end)
                self._noop.start()
            yield

    def _new_service(self, database: Database, committers: int, codec: str) -> ServiceProcess:
        return ServiceProcess(
            database.url,
            INGEST_COMMITTERS=str(committers),
            OBSERVATORY_CODEC=codec,
            COPY_DIRECT_COMPRESS=str(self.options.direct_compress).lower(),
        )

    def _one(self, lane: str, committers: int, seconds: float) -> Turn:
        options = self.options
        rate = max(self._rates.get(lane, 0.0), _GUESSED)
        if lane in ("copy", "asyncpg", "psycopg"):
            expected, rows = int(1.5 * rate * seconds), self._settings.batch_size
            turn: object = WriteTurn(lane, self.database.conninfo, committers, rows, seconds, expected, self._chunk_us)
            return self._stage(lane).measure(lane, committers, options.items, turn)
        items = SMALL_ITEMS if lane == "small" else options.items
        if lane == "noop":
            # As many a second as the service takes: gRPC needs less for a request when more of them come at once.
            paced = (self._rates.get("grpc") or _GUESSED) / items
            load = self._load_turn("grpc", self._noop_port, (items,), seconds, int(paced * seconds), paced)
        else:
            service = self._service[lane]
            transport, port = ("http", service.http_port) if lane == "http" else ("grpc", service.grpc_port)
            load = self._load_turn(transport, port, (items,), seconds, int(rate * seconds / items))
        return self._stage(lane).measure(lane, committers, items, load)

    def _load_turn(
        self, transport: str, port: int, items: tuple[int, ...], seconds: float, expected: int, rate: float | None = None
    ) -> LoadTurn:
        clients = self.options.clients
        in_flight = min(max(MAX_IN_FLIGHT, clients), clients * max(1, USUAL_ITEMS // items[0]))
        if transport == "http":
            # One at a time on each.
            return LoadTurn(transport, port, items, in_flight, in_flight, seconds, expected, rate)
        return LoadTurn(transport, port, items, clients, in_flight, seconds, expected, rate)

    def _stage(self, lane: str) -> Stage:
        if lane in ("copy", "asyncpg", "psycopg"):
            return Stage(self._write, self.database, None, self._watched)
        if lane == "noop":
            assert self._noop is not None  # noqa: S101 - started with its lane
            return Stage(self._load, None, None, {"service": self._noop.pid})
        database = self._empty if lane == "grpc-empty" else self.database
        return Stage(self._load, database, self._service[lane], self._watched)

    def _half(self, committers: int) -> None:
        rates = [turn.rate for turn in self.turns if (turn.lane, turn.committers) == ("grpc", committers)]
        if not rates:
            self._say("half load is not measured: it needs the lane grpc")
            return
        options, paced = self.options, median(rates) / 2 / self.options.items
        port = self._service["half"].grpc_port
        for number in range(1, options.rounds + 1):
            self._say(f"{_plural(committers, 'committer')}, half load, {number} of {options.rounds}")
            load = self._load_turn("grpc", port, (options.items,), options.seconds, int(paced * options.seconds) + 1, paced)
            self.turns.append(self._stage("half").measure("half", committers, options.items, load))

    def _flood(self, committers: int) -> None:
        options = self.options
        usual = len(next(requests(DATA_SETS[options.data_set], USUAL_ITEMS, options.seed + 2_000_000)))
        sizes = (SMALL_ITEMS, USUAL_ITEMS, max(1, USUAL_ITEMS * LARGE_BYTES // usual))
        ends = time.monotonic() + 60 * options.minutes
        while (left := ends - time.monotonic()) > 0:
            self._say(f"flood of requests up to 1 MiB, {left:.0f} s to go")
            load = LoadTurn(
                "grpc", self._service["flood"].grpc_port, sizes, options.clients, OVERLOAD * options.clients,
                min(SLICE_SECONDS, max(left, 1.0)), 0,
            )  # fmt: skip
            self.turns.append(self._stage("flood").measure("flood", committers, sizes[-1], load))


def _plural(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
