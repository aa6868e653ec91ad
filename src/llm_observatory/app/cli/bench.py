"""`bench`: measure, and compare two runs."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from llm_observatory.operate.bench.report import Report

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


def finish(report: Report, json_file: Path | None) -> None:
    """Show a run and write it; exit code 1 where a bar is missed."""
    table = _table("metric", "value", "", "bar", "", numbers=(1, 3))
    for one in report.measurements:
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
    # A pipe has no width: whole lines for who reads them there.
    console.print(table, width=None if console.is_terminal else 200)


def _say(line: str) -> None:
    typer.echo(line, err=True)
