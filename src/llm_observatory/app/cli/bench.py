"""`bench`: measure, and compare two runs."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from llm_observatory.errors import ConfigError

if TYPE_CHECKING:
    from llm_observatory.operate.bench.report import Measurement, Report

bench = typer.Typer(no_args_is_help=True, help="Measure this machine, before and after a change.")

JsonFile = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write the run there, for `bench compare`.")]
Seed = Annotated[int, typer.Option(help="Of everything that is made up.")]


@bench.command()
def codec(
    data_set: Annotated[list[str] | None, typer.Option(help="Only these; all without it.")] = None,
    items: Annotated[str, typer.Option(help="Records a request, separated by commas.")] = "1,32,512",
    seconds: Annotated[float, typer.Option(help="For each data set and size.", min=0.01)] = 1.0,
    seed: Seed = 1,
    json_file: JsonFile = None,
    *,
    instructions: Annotated[bool, typer.Option("--instructions", help="Count them with valgrind, too: minutes.")] = False,
) -> None:
    """How fast bytes of OTLP become rows, with each codec, against protobuf's own parser. Exit code 1 where a bar is missed."""
    from dataclasses import replace

    from llm_observatory.operate.bench import codec as measured
    from llm_observatory.operate.bench import instructions as counted
    from llm_observatory.operate.bench.data import DATA_SETS

    chosen = tuple(data_set or DATA_SETS)
    if unknown := set(chosen) - set(DATA_SETS):
        raise typer.BadParameter(
            f"there is no {', '.join(sorted(unknown))}; there are {', '.join(DATA_SETS)}", param_hint="--data-set"
        )
    options = measured.Options(chosen, _numbers(items, "--items"), seconds, seed)
    report = measured.run(options, _say)
    if instructions:
        report = replace(report, measurements=(*report.measurements, *counted.measure(options, _say)))
    finish(report, json_file)


@bench.command()
def ingest(  # noqa: PLR0913, PLR0917 - an option each
    data_set: Annotated[str, typer.Option(help="What is sent: spans-0.5k, spans-4k or spans-16k.")] = "spans-0.5k",
    items: Annotated[int, typer.Option(help="Spans a request.", min=1, max=100_000)] = 512,
    committers: Annotated[
        str, typer.Option(help="Numbers of committers (connections of COPY). Everything is measured at 2, or the first.")
    ] = "1,2,4",
    rows: Annotated[str, typer.Option(help="Rows that are there before, such as 10M: needs disk and minutes.")] = "0",
    lanes: Annotated[
        str, typer.Option(help="Of copy, grpc, http, asyncpg, psycopg, small, noop, half; separated by commas.")
    ] = "all",
    used_codec: Annotated[Literal["both", "native", "reference"], typer.Option("--codec", help="Of the service.")] = "both",
    rounds: Annotated[int, typer.Option(help="How often each lane has a turn.", min=1, max=1000)] = 3,
    seconds: Annotated[float, typer.Option(help="A turn.", min=0.1, max=600)] = 2.0,
    minutes: Annotated[float, typer.Option(help="Of a flood of requests up to 1 MiB: is memory flat?", min=0)] = 0.0,
    clients: Annotated[int, typer.Option(help="Connections that send; that many requests of 512 are in flight.", min=1)] = 16,
    seed: Seed = 1,
    database_url: Annotated[
        str | None,
        typer.Option(
            help="A server on which databases are made (with TimescaleDB if it has it) and dropped; else an embedded one."
        ),
    ] = None,
    json_file: JsonFile = None,
    *,
    pin: Annotated[bool, typer.Option("--pin", help="The database on one core, client and service on another.")] = False,
    direct_compress: Annotated[
        bool, typer.Option("--direct-compress", help="With TimescaleDB: COPY into compressed chunks.")
    ] = False,
) -> None:
    """What the service takes in and commits, as ratios to a bare COPY of the same rows into the same tables.

    About three minutes; exit code 1 where a bar is missed. All take turns on two cores of this machine: copy (the ceiling),
    grpc (with each codec), http, what one would write by hand (asyncpg, psycopg), small (32 spans a request), noop (a gRPC
    server that does nothing) and half (half load). What is stored is compared with what was acknowledged before a rate is told.

    Other work on these cores makes rates worthless, ratios less so, CPU a span least: run it where it is quiet.
    """
    from llm_observatory.operate.bench.ingest import Options, run
    from llm_observatory.operate.bench.ingest import options as parsed

    try:
        options = Options(
            data_set=data_set,
            items=items,
            committers=parsed.parse_committers(committers),
            rows=parsed.parse_rows(rows),
            lanes=parsed.parse_lanes(lanes),
            codecs=parsed.codecs(used_codec),
            rounds=rounds,
            seconds=seconds,
            minutes=minutes,
            clients=clients,
            seed=seed,
            pin=pin,
            direct_compress=direct_compress,
            database_url=database_url,
        )
    except ConfigError as error:
        raise typer.BadParameter("\n".join(error.faults)) from None
    # As Ctrl-C: what was made on somebody's server is dropped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()
    report, figures = run(options, lambda line: _say(f"{time.monotonic() - began:5.0f} s  {line}"))
    heads, measured = figures.table()
    table = _table("lane, committers", *heads, numbers=tuple(range(1, len(heads) + 1)))
    for name, values in measured:
        table.add_row(name, *map(_number, values))
    _print(table)
    typer.echo("p50 to p99 in ms; CPU of service, database and client in µs a span; WAL and stored in bytes a span\n")
    for lane in options.missing:
        typer.echo(f"{lane}: not measured, it is not installed (pip install {lane})", err=True)
    finish(report, json_file, figures.compared())


@bench.command()
def query(  # noqa: PLR0913, PLR0917 - an option each
    spans: Annotated[int, typer.Option(help="How many are asked about; the bars are of 10,000,000.", min=1)] = 1_000_000,
    days: Annotated[int, typer.Option(help="Over which they are spread.", min=2, max=90)] = 30,
    logs: Annotated[int, typer.Option(help="Log records of the newest day.", min=100)] = 333_000,
    asked: Annotated[int, typer.Option(help="How often each question is asked.", min=2, max=10_000)] = 50,
    seed: Seed = 1,
    database_url: Annotated[
        str | None,
        typer.Option(help="A server on which a database is made (with TimescaleDB if it has it); else an embedded one."),
    ] = None,
    database: Annotated[str, typer.Option(help="What it is called there.")] = "observatory_bench_query",
    beside_ingest: Annotated[
        float, typer.Option(help="Also ask beside ingest at half load: seconds of each of ten turns; 0: not.", min=0, max=600)
    ] = 0.0,
    json_file: JsonFile = None,
    *,
    keep: Annotated[bool, typer.Option("--keep", help="Do not drop it, and use what a run before has kept.")] = False,
) -> None:
    """How long the query services take to answer, over gRPC, against the bars: trace by id, searches, usage, log text.

    A database of its own is filled first, days older than COMPRESS_AFTER compressed where TimescaleDB is there: a minute or two
    a million spans, 1.1 KB of disk for each that is not compressed. Then each question is asked, one after the other, each
    time with other ids, services and times, without a cache. Exit code 1 where the 95th percentile misses its bar.

    With --beside-ingest 40 traces by id and 10 searches by service a second are asked alone, ingest runs at half load alone,
    and both together: ingest may lose 15 %, the 95th percentile of answers may double. What is sent stays with --keep.

    Other work on this machine makes milliseconds worthless: beside each figure stands the load.
    """
    from llm_observatory.app.query_services import serving
    from llm_observatory.operate.bench import query as asking

    try:
        options = asking.Options(
            spans=spans,
            days=days,
            logs=logs,
            asked=asked,
            seed=seed,
            database_url=database_url,
            database=database,
            keep=keep,
            beside_ingest=beside_ingest,
        )
    except ConfigError as error:
        raise typer.BadParameter("\n".join(error.faults)) from None
    # As Ctrl-C: what was made on somebody's server is dropped.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    began = time.monotonic()

    def say(line: str) -> None:
        _say(f"{time.monotonic() - began:5.0f} s  {line}")

    with asking.server(options, say) as server:
        report = asyncio.run(asking.run(options, server, serving, say))
    finish(report, json_file)


@bench.command()
def compare(
    before: Annotated[Path, typer.Argument(help="A file of `bench … --json`.")],
    after: Annotated[Path, typer.Argument(help="Another of the same kind.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Two runs side by side: metric, before, after, change; first what else was different."""
    from llm_observatory.operate.bench import compare as comparing
    from llm_observatory.operate.bench.report import read

    old, new = read(before), read(after)
    found, others = comparing.changes(old, new), list(comparing.differences(old, new))
    if as_json:
        document = {
            "differences": [dict(zip(("name", "before", "after"), one, strict=True)) for one in others],
            "changes": [{**asdict(one), "change": one.share} for one in found],
        }
        typer.echo(json.dumps(document, indent=2))
        return
    if others:
        differing = _table("different", "before", "after")
        for row in others:
            differing.add_row(*row)
        _print(differing)
    table = _table("metric", "before", "after", "change", "", numbers=(1, 2, 3))
    for one in found:
        share = "" if one.share is None else f"{one.share:+.1%}"
        table.add_row(f"{one.name} ({one.unit})", _number(one.before), _number(one.after), share, one.verdict)
    _print(table)


def finish(report: Report, json_file: Path | None, shown: Sequence[Measurement] | None = None) -> None:
    """Show a run, or of it what is to be shown, and write it; exit code 1 where a bar is missed."""
    table = _table("metric", "value", "", "bar", "", numbers=(1, 3))
    for one in report.measurements if shown is None else shown:
        held = {None: "", True: "held", False: "MISSED"}[one.holds]
        table.add_row(one.name, _number(one.value), one.unit, _number(one.bar), held)
    _print(table)
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(report.to_json(), encoding="utf-8")
        _say(f"written to {json_file}")
    if report.missed:
        raise typer.Exit(1)


def _numbers(text: str, option: str) -> tuple[int, ...]:
    try:
        found = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no list of numbers", param_hint=option) from None
    if min(found) < 1:
        raise typer.BadParameter("must be 1 or more", param_hint=option)
    return found


def _table(*headers: str, numbers: tuple[int, ...] = ()) -> Table:
    table = Table(box=None, pad_edge=False)
    for place, header in enumerate(headers):
        table.add_column(header, justify="right" if place in numbers else "left", no_wrap=True)
    return table


def _number(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"  # noqa: PLR2004 - three digits say enough


def _print(table: Table) -> None:
    console = Console()
    # Whole lines: a pipe has no width, and a terminal that is narrower breaks them itself.
    console.width = max(console.width, 120)
    console.print(table)


def _say(line: str) -> None:
    typer.echo(line, err=True)
