"""Try out what each engine gives: `python -m tests.engines [DSN[#VERSION] ...] [--write]`.

A DSN is of a superuser on a server of PostgreSQL or TimescaleDB; `#2.24.0` asks for that version of TimescaleDB. The embedded
PostgreSQL and the TimescaleDB in WebAssembly are tried always. `--write` puts what was found into
`docs/reference/engines.json`, where what was not tried this time stays, and renders `docs/reference/engines.md`. A probe that
fails ends it, and nothing is written.
"""

from __future__ import annotations

import argparse
import asyncio
import logging

import structlog

import llm_observatory.app  # noqa: F401  # sets grpc up for processes that start others, before it is imported
from tests.engines import page, record, servers
from tests.engines.run import probe


def main() -> None:
    """Try all, then write."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.engines", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("dsn", nargs="*", metavar="DSN[#VERSION]")
    parser.add_argument("--write", action="store_true", help="write what was found")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    runs = []
    for dsn in arguments.dsn:
        with servers.on_server(dsn) as url:
            runs.append(_probe(url))
    with servers.embedded() as url:
        runs.append(_probe(url, "embedded"))
    with servers.webassembly() as url:
        runs.append(_probe(url, "WebAssembly"))
    if arguments.write:
        on_record = record.merged(record.read(), runs)
        record.write(on_record)
        page.write(on_record)


def _probe(url: str, build: str = "") -> record.Run:
    run = asyncio.run(probe(url, build, _say, large=not build))
    _say(f"= {run.name} on PostgreSQL {run.postgresql}\n")
    return run


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201  # for people


if __name__ == "__main__":
    main()
