"""`maintain`: upkeep by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeVar

import typer

from llm_observatory.app.cli.failure import FAILED
from llm_observatory.app.cli.on_database import on_database
from llm_observatory.app.cli.output import Json, say
from llm_observatory.operate.maintain import ROLLUP_NAMES, TABLE_NAMES, Maintain, Report
from llm_observatory.quantity import parse_duration, show_duration
from llm_observatory.settings import Settings, load
from llm_observatory.storage.upkeep import sessions
from llm_observatory.tables import PARTITIONED

R = TypeVar("R")

maintain = typer.Typer(
    no_args_is_help=True,
    help="Upkeep by hand, online where PostgreSQL can. The service does by itself what has to be done.",
)

Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Tables = Annotated[list[str] | None, typer.Option("--table", help="Only this one; may be given several times.")]


@maintain.command()
def vacuum(
    table: Tables = None,
    *,
    full: Annotated[bool, typer.Option("--full", help="Give the room back to the disk; only in maintenance mode.")] = False,
    as_json: Json = False,
) -> None:
    """VACUUM and ANALYZE, partition by partition; nobody waits, but for --full."""
    names = _chosen(table, TABLE_NAMES)
    _finish(_maintain(lambda work: work.vacuum(names, full=full)), as_json=as_json)


@maintain.command()
def analyze(table: Tables = None, *, as_json: Json = False) -> None:
    """Gather the statistics that plans are made by."""
    names = _chosen(table, TABLE_NAMES)
    _finish(_maintain(lambda work: work.analyze(names)), as_json=as_json)


@maintain.command()
def reindex(table: Tables = None, *, as_json: Json = False) -> None:
    """REINDEX CONCURRENTLY, partition by partition; drops or mends first what an earlier try left invalid."""
    names = _chosen(table, TABLE_NAMES)
    _finish(_maintain(lambda work: work.reindex(names)), as_json=as_json)


@maintain.command()
def compress(table: Tables = None, *, as_json: Json = False) -> None:
    """Compress chunks older than COMPRESS_AFTER now (TimescaleDB); plain PostgreSQL has nothing to compress."""
    names = _chosen(table, PARTITIONED)
    _finish(_maintain(lambda work: work.compress(names)), as_json=as_json)


@maintain.command()
def refresh(table: Tables = None, *, as_json: Json = False) -> None:
    """Bring the rollups up to date now; --table names a rollup."""
    names = _chosen(table, ROLLUP_NAMES)
    _finish(_maintain(lambda work: work.refresh(names)), as_json=as_json)


def _horizon(text: str) -> datetime:
    """A day of UTC, or an age."""
    now = datetime.now(UTC)
    try:
        found = datetime.fromisoformat(text)
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
    except ValueError:
        try:
            found = now - _age(text)
        except (ValueError, OverflowError):
            message = f"{text} is neither a day of UTC, as 2026-11-28, nor an age, as 90d"
            raise typer.BadParameter(message) from None
    if found > now:
        message = f"{text} is in the future: what is being written would be dropped"
        raise typer.BadParameter(message)
    return found


@maintain.command()
def drop_before(
    horizon: Annotated[datetime, typer.Argument(parser=_horizon, metavar="DATE|AGE", help="As 2026-11-01 (UTC) or 90d.")],
    table: Tables = None,
    *,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Drop the chunks or partitions that lie wholly before a day or an age. Their records are gone, their sums stay."""
    names = _chosen(table, PARTITIONED)
    found = _maintain(lambda work: work.before(names, horizon))
    if not found:
        _finish(Report(note=f"nothing lies wholly before {horizon:%Y-%m-%d %H:%M} UTC"), as_json=as_json)
        return
    for name, expendable in found.items():
        size = sum(chunk.size or 0 for chunk in expendable)
        typer.echo(f"{name}: {len(expendable)} until {expendable[-1].end:%Y-%m-%d %H:%M}, {size / 1024**2:,.1f} MiB", err=True)
    if not yes:
        typer.confirm("They are dropped with all records in them. Go on?", abort=True, err=True)
    _finish(_maintain(lambda work: work.drop_before(found)), as_json=as_json)


def _age(text: str) -> timedelta:
    """With its unit: whoever writes 30 means days, and would have dropped all but the last half minute. Raises ValueError."""
    if text.strip().replace(".", "").isdigit():
        message = "has no unit; write for example 90d, 6h, 15min or 30s"
        raise ValueError(message)
    return parse_duration(text)


def _duration(text: str) -> timedelta:
    try:
        return _age(text)
    except ValueError as error:
        message = f"{text} {error}"
        raise typer.BadParameter(message) from None


@maintain.command()
def terminate(
    idle_for: Annotated[
        timedelta | None, typer.Option(parser=_duration, metavar="AGE", help="Sessions idle for so long, as 10min.")
    ] = None,
    running_for: Annotated[
        timedelta | None, typer.Option(parser=_duration, metavar="AGE", help="Sessions whose statement runs for so long.")
    ] = None,
    pid: Annotated[int | None, typer.Option(help="The session of this process of PostgreSQL.")] = None,
    *,
    force: Annotated[bool, typer.Option("--force", help="The service's own sessions, too; it opens new ones.")] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """End sessions of this database; what they have not committed is rolled back."""
    if idle_for is None and running_for is None and pid is None:
        message = "say which: --idle-for 10min, --running-for 1h or --pid"
        raise typer.BadParameter(message)
    settings = load()
    found = on_database(
        lambda connection: sessions.sessions(
            connection, settings.db_app_name, pid=pid, idle_for=idle_for, running_for=running_for
        )
    )
    chosen = [session for session in found if force or not session.ours]
    for session in found:
        left = "" if session in chosen else "  left: the service's own, --force ends it"
        age = "" if session.seconds is None else f" for {show_duration(timedelta(seconds=round(session.seconds)))}"
        who = f"{session.user or '?'}@{session.client} {session.application}"
        typer.echo(f"{session.pid}  {who}  {session.state}{age}  {session.query}{left}", err=True)
    if not chosen:
        _finish(Report(note="there is no such session" if not found else "only the service's own"), as_json=as_json)
        return
    if not yes:
        typer.confirm(f"{len(chosen)} are ended, and what they have not committed is rolled back. Go on?", abort=True, err=True)
    _finish(_maintain(lambda work: work.terminate(chosen)), as_json=as_json)


@maintain.command()
def resend_dead_letters(*, as_json: Json = False) -> None:
    """Store what PostgreSQL had refused, once the cause is mended. What is stored is no dead letter any more."""
    from llm_observatory.app import dead_letters
    from llm_observatory.app.cli.database import reach

    settings = load()
    with reach(settings, say) as target:
        report = asyncio.run(dead_letters.resend(target.write, settings, say))
    _finish(report, as_json=as_json)


@maintain.command()
def reset_statistics() -> None:
    """Forget what pg_stat_statements knows of this database's statements."""
    _maintain(lambda work: work.reset_statistics())
    typer.echo("The statistics of statements begin anew.")


@maintain.command(context_settings={"ignore_unknown_options": True})  # half of all ids begin with a minus
def explain(
    queryid: Annotated[int, typer.Argument(help="As pg_stat_statements and the panel Slow statements have it.")],
    *,
    as_json: Json = False,
) -> None:
    """Show the plan of a statement that pg_stat_statements knows, without running it; its constants are not known."""
    slow, plan = _maintain(lambda work: work.explain(queryid, form="json" if as_json else "text"))
    if as_json:
        # Numbers of JSON are too short for an id.
        typer.echo(json.dumps({"queryid": str(queryid), **slow._asdict(), "plan": plan}, indent=2))
        return
    mean = "" if slow.mean_ms is None else f", {slow.mean_ms:,.1f} ms on average"
    typer.echo(f"{slow.statement}\n\ncalls: {slow.calls:,}{mean}, {slow.longest_ms:,.1f} ms at most\n\n{plan}")


def _chosen(given: list[str] | None, known: Sequence[str]) -> list[str]:
    unknown = [name for name in given or () if name not in known]
    if unknown:
        message = f"--table {unknown[0]}: not one of {', '.join(known)}"
        raise typer.BadParameter(message)
    return list(dict.fromkeys(given or known))


def _maintain(verb: Callable[[Maintain], Awaitable[R]]) -> R:
    from llm_observatory.app.cli.database import reach

    settings: Settings = load()
    with reach(settings, say) as target:

        async def run() -> R:
            return await verb(Maintain(target.direct, settings, say))

        return asyncio.run(run())


def _finish(report: Report, *, as_json: bool) -> None:
    """Print what came of it; exit code 1 when anything was left."""
    if as_json:
        typer.echo(json.dumps({"complete": report.complete, **asdict(report)}, indent=2))
    else:
        left = sum(piece.error is not None for piece in report.done)
        typer.echo(report.note or f"{len(report.done) - left} done" + (f", {left} left" if left else ""))
    raise typer.Exit(0 if report.complete else FAILED)
