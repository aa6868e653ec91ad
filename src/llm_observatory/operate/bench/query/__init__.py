"""`bench query`: the questions of LLM teams, asked of the real services over gRPC, against their bars.

`dataset` is what is asked, `questions` what the questions and the bars are, `asking` how long answers take, `beside` what
questions and ingest cost each other. The services are
given: they are no part of this room.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import grpc
from psycopg.conninfo import make_conninfo

from llm_observatory.errors import ConfigError
from llm_observatory.operate.bench.query import beside, database
from llm_observatory.operate.bench.query.asking import NoAnswer, known, measure
from llm_observatory.operate.bench.query.database import Say
from llm_observatory.operate.bench.query.dataset import Dataset
from llm_observatory.operate.bench.query.options import Options
from llm_observatory.operate.bench.report import Report, machine
from llm_observatory.storage.embedded import EmbeddedServer

Serving = Callable[[str], AbstractAsyncContextManager[grpc.aio.Channel]]
"""Query services that read the database of a URL, for as long as the block runs; a channel to them."""


async def run(options: Options, server: str, serving: Serving, say: Say) -> Report:
    """Make the data set on `server`, ask, drop it. Raises NoAnswer, ConfigError, StorageError."""
    on = machine()  # its load before
    random = Random(options.seed)  # noqa: S311 - questions, no secrets
    async with _loaded(options, server, say) as dataset:
        await dataset.complete(options.logs, say)
        of = await known(dataset, random, 2 * options.asked)
        async with serving(dataset.conninfo) as channel:
            measurements = [one async for one in measure(channel, of, random, options.asked, say)]
            if seconds := options.beside_ingest:
                measurements += [
                    one async for one in beside.measure(channel, dataset.conninfo, of, random, seconds, options.seed, say)
                ]
        async with database.opened(dataset.conninfo) as connection:
            (version,) = await database.row(connection, "SHOW server_version")
            timescaledb = await database.timescaledb(connection)
    settings = {
        "spans": str(dataset.spans),
        "days": str(dataset.days),
        "log records of a day": str(options.logs),
        "asked": str(options.asked),
        "seconds beside ingest": str(options.beside_ingest),
        "PostgreSQL": str(version),
        "TimescaleDB": timescaledb or "none",
    }
    return Report("query", settings, measurements, on)


@contextmanager
def server(options: Options, say: Say) -> Iterator[str]:
    """The server that is named, or an embedded one of its own in a temporary folder."""
    if options.database_url is not None:
        yield options.database_url
        return
    with TemporaryDirectory(prefix="observatory-bench-") as folder, ExitStack() as stack:
        Path(folder).chmod(0o711)  # run by root the server belongs to another account
        embedded = EmbeddedServer(Path(folder) / "data")
        stack.callback(embedded.stop)
        yield embedded.start(say)


@asynccontextmanager
async def _loaded(options: Options, server: str, say: Say) -> AsyncIterator[Dataset]:
    conninfo = make_conninfo(server, dbname=options.database)
    if await database.exists(server, options.database):
        there = await Dataset.kept(conninfo) if options.keep else None
        if there is None:
            raise ConfigError([f"there is a database {options.database} already: drop it, or name another with --database"])
        say(f"{there.spans:,} spans over {there.days} days are there from a run before, until {there.clock:%Y-%m-%d}")
        yield there
        return
    try:
        say(f"making {options.database}")
        await database.create(server, options.database)
        dataset = Dataset.until_today(conninfo, options)
        await dataset.load(say)
        yield dataset
    finally:
        if not options.keep:
            await database.drop(server, options.database)


__all__ = ["NoAnswer", "Options", "Serving", "run", "server"]
