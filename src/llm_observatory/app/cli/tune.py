"""`tune`: what postgresql.conf should say on this machine, beside what the database has."""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from typing import Annotated, Literal

import typer

from llm_observatory.errors import EmbeddedServerError, ObservatoryError
from llm_observatory.operate.tune import (
    Advice,
    Connections,
    Difference,
    Disk,
    Machine,
    advise,
    compare,
    conf,
    connections,
    this_machine,
)
from llm_observatory.operate.tune.machine import MINIMUM_MEMORY
from llm_observatory.operate.tune.rules import RULES
from llm_observatory.quantity import parse_size
from llm_observatory.settings import Settings, load
from llm_observatory.storage.connection import connected
from llm_observatory.storage.server_environment import SERVER_ENVIRONMENT
from llm_observatory.storage.server_settings import ServerSetting, has_timescaledb, server_settings

Engine = Literal["timescaledb", "postgresql"]
Format = Literal["text", "conf"]


def _memory(text: str) -> int:
    try:
        size = parse_size(text)
    except ValueError as error:
        message = f"{text} {error}"
        raise typer.BadParameter(message) from None
    # postgresql.conf's and everybody's 16GB is 16 × 1024³ when it is a machine's memory.
    if "i" not in text.lower():
        size = round(size * 1.024 ** {"kb": 1, "mb": 2, "gb": 3}.get(text.strip().lower()[-2:], 0))
    if size < MINIMUM_MEMORY:
        message = f"{text} is less than 512MB, too little to be shared out"
        raise typer.BadParameter(message)
    return size


def tune(
    memory: Annotated[
        int | None,
        typer.Option(parser=_memory, metavar="SIZE", help="Of the database's machine, as 16GB; this one's without it."),
    ] = None,
    cpus: Annotated[int | None, typer.Option(min=1, max=1024, help="Processors of the database's machine.")] = None,
    disk: Annotated[Disk, typer.Option(help="What the database's disk is.")] = "ssd",
    connections_: Annotated[
        int | None,
        typer.Option("--connections", min=20, max=10_000, help="max_connections; what the processes need without it."),
    ] = None,
    processes: Annotated[int, typer.Option(min=1, max=100, help="How many processes of the service there are.")] = 2,
    engine: Annotated[Engine | None, typer.Option(help="The database's own without it, else timescaledb.")] = None,
    format_: Annotated[Format, typer.Option("--format", help="conf: a configuration file and nothing else.")] = "text",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print the settings of PostgreSQL for a machine and this workload, and what differs in the database if it answers."""
    settings = load()
    here_memory, here_cpus = this_machine()
    cpus = cpus or here_cpus
    server = None if format_ == "conf" and engine is not None else _server(settings)
    counted = connections(settings, cpus, processes, connections_)
    machine = Machine(
        memory or here_memory, cpus, disk, counted.maximum,
        chunks=-(-settings.retention // settings.chunk_interval),
        timescaledb=engine == "timescaledb" if engine is not None else server is None or server[1],
    )  # fmt: skip
    advice = advise(machine)
    if format_ == "conf":
        sys.stdout.write(conf(machine, advice))
        return
    differences = None if server is None else compare([setting for setting in advice if not setting.optional], server[0])
    if as_json:
        found = [_as_dict(setting, differences) for setting in advice]
        told = {
            "machine": asdict(machine),
            "settings": found,
            "environment": SERVER_ENVIRONMENT,
            "connections": _counted(counted),
        }
        typer.echo(json.dumps(told, indent=2))
        return
    _show(machine, advice, differences, counted)


def _server(settings: Settings) -> tuple[dict[str, ServerSetting], bool] | None:
    """What the database has, and whether it is TimescaleDB; None, said on stderr, where it cannot be asked."""
    from llm_observatory.app.cli.database import running

    async def ask() -> tuple[dict[str, ServerSetting], bool]:
        async with connected(running(settings).direct) as connection:
            names = [rule.name for rule in RULES]
            return await server_settings(connection, names), await has_timescaledb(connection)

    try:
        return asyncio.run(ask())
    except EmbeddedServerError:
        typer.echo("The embedded PostgreSQL does not run: nothing to compare with.", err=True)
    except ObservatoryError as error:
        typer.echo(f"The database was not asked: {error}", err=True)
    return None


def _counted(counted: Connections) -> dict[str, object]:
    return {**asdict(counted), "exhausted": counted.exhausted}


def _as_dict(setting: Advice, differences: tuple[Difference, ...] | None) -> dict[str, object]:
    shown: dict[str, object] = asdict(setting)
    if differences is not None and not setting.optional:
        found = next((difference for difference in differences if difference.advice is setting), None)
        shown["differs"] = found is not None
        if found is not None:
            shown |= {"current": found.current, "restart": found.restart}
    return shown


def _show(
    machine: Machine, advice: tuple[Advice, ...], differences: tuple[Difference, ...] | None, counted: Connections
) -> None:
    typer.echo(conf(machine, advice))
    beside = counted.per_process - counted.committers - counted.pool
    typer.echo(
        f"Connections: a process takes {counted.per_process} at most: {counted.committers} committers, a read pool of"
        f" {counted.pool}, {beside} beside them. {counted.maximum} are enough for {counted.fit} processes; reckoned with"
        f" are {counted.processes}."
    )
    if counted.exhausted:
        typer.echo(f"They can run out: allow {counted.needed}, or make DB_POOL_MAX_CONNECTIONS smaller.")
    typer.echo(f"DB_POOL_MAX_CONNECTIONS for {machine.cpus} processors: {counted.suggested_pool} for each process.")
    if differences is None:
        return
    typer.echo(f"\n{len(differences)} settings of the database differ:" if differences else "\nThe database has all of them.")
    for difference in differences:
        current = "unknown to this server" if difference.current is None else difference.current
        how = "after a restart" if difference.restart else "after a reload"
        typer.echo(f"  {difference.advice.name}: {current} → {difference.advice.value} {how}; {difference.advice.why}")
