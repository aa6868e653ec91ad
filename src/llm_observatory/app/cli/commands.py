"""The verbs and their options."""

from __future__ import annotations

import asyncio
import json
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import structlog
import typer

from llm_observatory import __version__, codec
from llm_observatory.app.cli.backup import backup, restore
from llm_observatory.app.cli.bench import bench
from llm_observatory.app.cli.failure import FAILED, WRONG_SETTINGS, ExplainingGroup, explain_place
from llm_observatory.app.cli.maintain import maintain
from llm_observatory.app.cli.maintenance import maintenance
from llm_observatory.app.cli.output import Json, say
from llm_observatory.app.cli.prices import prices
from llm_observatory.app.cli.query import query, tail
from llm_observatory.app.cli.report import report
from llm_observatory.app.cli.tune import tune
from llm_observatory.errors import ConfigError, ObservatoryError
from llm_observatory.settings import load, read

cli = typer.Typer(
    cls=ExplainingGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="LLM Observatory storage: OTLP in, committed PostgreSQL rows out. Settings come from the environment, .env and "
    "the YAML file that CONFIG_FILE names; `check` shows them all.",
)
migrate = typer.Typer(no_args_is_help=True, help="Bring the database's schema up or down, and compare it.")
cli.add_typer(migrate, name="migrate")
cli.add_typer(bench, name="bench")
cli.add_typer(maintain, name="maintain")
cli.add_typer(maintenance, name="maintenance")
cli.add_typer(prices, name="prices")
cli.add_typer(query, name="query")
cli.command()(tail)
cli.command()(tune)
cli.add_typer(backup, name="backup")
cli.command()(restore)
cli.command()(report)

Role = Literal["all", "ingest", "query"]


@cli.command()
def serve(
    role: Annotated[
        Role,
        typer.Option(help="What this process does: take records in, answer questions, or both."),
    ] = "all",
    share_port: Annotated[
        bool,
        typer.Option(
            "--share-port", help="Let several processes listen on the OTLP port; each needs its own HEALTH_CHECK_PORT."
        ),
    ] = False,
) -> None:
    """Receive OTLP and answer questions until SIGTERM or SIGINT; a second signal ends at once. SIGHUP reads settings again.

    Starts the embedded PostgreSQL if none is configured, and migrates.
    """
    from llm_observatory.app import signals

    with signals.early():
        _serve(role, share_port=share_port)


def _serve(role: Role, *, share_port: bool) -> None:
    loaded = read()
    for notice in loaded.notices():
        typer.echo(f"Note: {notice}.", err=True)

    from llm_observatory.app import preflight
    from llm_observatory.app.console import Console
    from llm_observatory.app.serve import run

    preflight.demand(loaded.settings)
    try:
        run(loaded.settings, Console(), role=role, share_port=share_port)
    except ConfigError as error:
        # The settings are right: what does not fit is what else runs on this machine.
        explain_place(error)
        raise typer.Exit(FAILED) from None
    except ObservatoryError:
        raise
    except Exception:  # noqa: BLE001 - told in the log and by the exit code
        # In the log, where whoever watches a service looks; without the local variables that may hold what clients sent.
        structlog.get_logger(__name__).exception("ended by an unexpected error")
        raise typer.Exit(FAILED) from None


@migrate.command()
def up(
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the SQL of what is pending; change nothing.")] = False,
    backup_before: Annotated[
        bool,
        typer.Option("--backup-before", help="Dump the database first, if anything is pending; without a dump, no change."),
    ] = False,
    backup_file: Annotated[
        Path | None,
        typer.Option("--backup-file", help="Where --backup-before writes; a new file in the data folder without it."),
    ] = None,
) -> None:
    """Apply what is pending, then the settings of retention and partitions. Safe to run from several places at once."""
    from llm_observatory.app.cli import migration
    from llm_observatory.app.cli.database import reach
    from llm_observatory.storage import migrate as migrations

    if backup_file is not None and not backup_before:
        message = "--backup-file is where --backup-before writes"
        raise typer.BadParameter(message)
    settings = load()
    with reach(settings, say, create=not dry_run) as target:
        if dry_run:
            migration.show_plan(target.direct)
            return
        if backup_before:
            migration.back_up(target.direct, backup_file or migration.backup_file(settings), say)
        asyncio.run(migrations.up(target.direct, say, settings))
    typer.echo("The schema is current.")


@migrate.command()
def down(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take the latest migration back. What its down section drops is gone, with the data in it."""
    from llm_observatory.app.cli.database import reach
    from llm_observatory.storage import migrate as migrations

    with reach(load(), say) as target:
        name = asyncio.run(migrations.latest(target.direct))
        if name is None:
            typer.echo("no migration is applied")
            return
        if not yes:
            typer.confirm(f"{name} is taken back; what it made is dropped, with the data in it. Go on?", abort=True, err=True)
        asyncio.run(migrations.down(target.direct, say))


@migrate.command()
def status(*, as_json: Json = False) -> None:
    """List the migrations; exit code 1 when any is pending."""
    from llm_observatory.app.cli.database import reach
    from llm_observatory.storage import migrate as migrations

    with reach(load(), say) as target:
        found = asyncio.run(migrations.status(target.write))
    pending = [migration for migration in found if not migration.applied]
    if as_json:
        typer.echo(json.dumps({"pending": len(pending), "migrations": [migration._asdict() for migration in found]}, indent=2))
    else:
        for migration in found:
            typer.echo(f"[{'x' if migration.applied else ' '}] {migration.version} {migration.name}")
        typer.echo(
            f"{len(found) - len(pending)} applied, {len(pending)} pending" + (": llm-observatory migrate up" if pending else "")
        )
    raise typer.Exit(FAILED if pending else 0)


@migrate.command()
def verify(*, as_json: Json = False) -> None:
    """Compare the database with what this version expects; exit code 1 when it differs."""
    from llm_observatory.app.cli.database import reach
    from llm_observatory.storage import migrate as migrations

    with reach(load(), say) as target:
        differences = asyncio.run(migrations.verify(target.write))
    if as_json:
        typer.echo(json.dumps({"equal": not differences, "differences": differences}, indent=2))
    else:
        typer.echo("\n".join(differences) or "The database is what this version expects.")
    raise typer.Exit(FAILED if differences else 0)


@migrate.command()
def timescaledb(*, as_json: Json = False) -> None:
    """Move a database that began on plain PostgreSQL to TimescaleDB, in place, while the service goes on.

    CREATE EXTENSION timescaledb in it first. Every partition is moved in one transaction and compared by count and checksum
    before it is dropped from the old place. Interrupted, run it again: it goes on where it was.
    """
    from llm_observatory.app.cli.database import reach
    from llm_observatory.storage.move import to_timescaledb

    settings = load()
    with reach(settings, say) as target:
        moved = asyncio.run(to_timescaledb(target.direct, settings, say))
    if as_json:
        typer.echo(json.dumps({"moved": [asdict(table) for table in moved]}, indent=2))
        return
    for table in moved:
        rate = f", {table.rows / table.seconds:,.0f} a second" if table.rows else ""
        typer.echo(f"{table.table}: {table.rows:,} rows of {table.partitions} partitions in {table.seconds:.0f} s{rate}")
    typer.echo("All facts are in hypertables.")


@cli.command()
def check(*, as_json: Json = False) -> None:
    """Validate, explain and show all settings, secrets masked, and look at the database.

    Exit code 0 when `serve` can start and store here, 1 when the database or its folder cannot be used, 2 when a setting is
    wrong. An embedded PostgreSQL that does not run yet is no fault.
    """
    from llm_observatory.app.cli.check import report, show

    try:
        found = report(read())
    except ConfigError as error:
        if not as_json:
            raise
        typer.echo(json.dumps({"usable": False, "faults": error.faults}, indent=2))
        raise typer.Exit(WRONG_SETTINGS) from None
    if as_json:
        typer.echo(json.dumps(found.as_dict(), indent=2))
    else:
        show(found)
    raise typer.Exit(0 if found.usable else FAILED)


@cli.command()
def doctor(*, as_json: Json = False) -> None:
    """Look at the service and its database as one would every morning; each line is ok, warn or fail, with the next step.

    Exit code 0 when all is ok, 1 when anything failed, 3 when there are only warnings. Nothing is changed.
    """
    from llm_observatory.app.cli.doctor import examined
    from llm_observatory.operate.doctor import show

    report = examined(load())
    if as_json:
        typer.echo(json.dumps(report.as_dict(), indent=2))
    else:
        show(report)
    raise typer.Exit(report.exit_code)


@cli.command()
def dsn() -> None:
    """Print the database's URL with its password, and nothing else: psql "$(llm-observatory dsn)"."""
    from llm_observatory.app.cli.database import running

    typer.echo(running(load()).write)


@cli.command()
def version(*, as_json: Json = False) -> None:
    """Print the version."""
    if as_json:
        typer.echo(json.dumps({"version": __version__, "python": platform.python_version(), "codec": codec.chosen().name}))
    else:
        typer.echo(f"llm-observatory {__version__} (Python {platform.python_version()}, {codec.chosen().name} codec)")
