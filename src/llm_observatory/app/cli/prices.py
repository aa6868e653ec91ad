"""`prices`: what tokens cost, and what an operator sets above the table."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from llm_observatory.app.cli.failure import FAILED
from llm_observatory.app.cli.on_database import on_database
from llm_observatory.app.cli.output import Json
from llm_observatory.storage import prices as storage
from llm_observatory.storage.connection import AsyncConnection

MILLION = 1_000_000

prices = typer.Typer(no_args_is_help=True, help="What tokens cost: list the price table, set prices that win over it.")

Tenant = Annotated[str, typer.Option(help="Whose price; everybody's if it is not given.")]
Provider = Annotated[str, typer.Argument(help="As spans have it, such as openai; '' for any.")]
Model = Annotated[str, typer.Argument(help="As spans have it, such as gpt-4o, or its beginning and *.")]


def _usd(text: str) -> Decimal:
    try:
        found = Decimal(text)
    except InvalidOperation:
        found = Decimal(-1)
    if not found.is_finite() or found < 0:
        message = f"{text} is no price: US dollars per million tokens, as 2.50"
        raise typer.BadParameter(message)
    return found / MILLION


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        message = f"{text} is no day: 2026-11-28, of UTC"
        raise typer.BadParameter(message) from None


@prices.command(name="list")
def list_(
    provider: Annotated[str, typer.Option(help="Only of providers like this, % standing for anything.")] = "%",
    model: Annotated[str, typer.Option(help="Only of models like this.")] = "%",
    *,
    operator: Annotated[bool, typer.Option("--operator", help="Only what operators have set.")] = False,
    as_json: Json = False,
) -> None:
    """List prices, in US dollars per million tokens; those that operators have set come first."""

    async def work(connection: AsyncConnection) -> list[tuple[str, storage.OperatorPrice]]:
        return await storage.listed(connection, provider=provider, model=model, operator_only=operator)

    found = on_database(work)
    if as_json:
        typer.echo(json.dumps([{"source": source, **asdict(price)} for source, price in found], default=str, indent=2))
        return
    for source, price in found:
        typer.echo(f"{source}  {_line(price)}")


def _line(price: storage.OperatorPrice) -> str:
    names = f"{price.provider or '(any)'}  {price.model}"
    marks = [
        *([f"tenant {price.tenant}"] if price.tenant else []),
        *([f"tier {price.service_tier}"] if price.service_tier else []),
        *([f"above {price.input_band:,} tokens"] if price.input_band else []),
        *([f"from {price.valid_from}"] if price.valid_from else []),
        *([f"to {price.valid_to}"] if price.valid_to else []),
    ]
    usd = {
        "input": price.input_usd_per_token,
        "cache read": price.cache_read_usd_per_token,
        "cache write": price.cache_write_usd_per_token,
        "output": price.output_usd_per_token,
    }
    return "  ".join([names, *marks, *(f"{name} {(value * MILLION).normalize():f}" for name, value in usd.items())])


@prices.command(name="set")
def set_(  # noqa: PLR0913 - options of a verb
    provider: Provider,
    model: Model,
    *,
    input_usd: Annotated[Decimal, typer.Option("--input", parser=_usd, help="US dollars per million tokens of input.")],
    output_usd: Annotated[Decimal, typer.Option("--output", parser=_usd, help="The same of output.")],
    cache_read: Annotated[
        Decimal | None, typer.Option(parser=_usd, help="Of input read from a cache. Default: as input.")
    ] = None,
    cache_write: Annotated[Decimal | None, typer.Option(parser=_usd, help="Of input written to it. Default: as input.")] = None,
    tier: Annotated[str, typer.Option(help="Only for calls of this service tier.")] = "",
    above: Annotated[int, typer.Option(min=0, help="Only for calls of more input tokens.")] = 0,
    valid_from: Annotated[date | None, typer.Option("--from", parser=_day, help="First day, of UTC. Default: always.")] = None,
    valid_to: Annotated[date | None, typer.Option("--to", parser=_day, help="Day after the last.")] = None,
    tenant: Tenant = "",
) -> None:
    """Set a price. It wins over the table's, for the past too; of the same names, tier, size and first day there is one."""
    if valid_from and valid_to and valid_from >= valid_to:
        message = "--from is not before --to"
        raise typer.BadParameter(message)
    price = storage.OperatorPrice(
        tenant=tenant,
        provider=provider.lower(),
        model=model.lower(),
        service_tier=tier.lower(),
        input_band=above,
        valid_from=valid_from,
        valid_to=valid_to,
        input_usd_per_token=input_usd,
        cache_read_usd_per_token=input_usd if cache_read is None else cache_read,
        cache_write_usd_per_token=input_usd if cache_write is None else cache_write,
        output_usd_per_token=output_usd,
    )
    on_database(lambda connection: storage.put(connection, price))
    typer.echo(f"operator  {_line(price)}")


@prices.command()
def unset(provider: Provider, model: Model, tenant: Tenant = "") -> None:
    """Take away all that was set for these names; exit code 1 when there is nothing."""
    gone = on_database(
        lambda connection: storage.remove(connection, provider=provider.lower(), model=model.lower(), tenant=tenant)
    )
    typer.echo(f"{gone} {'price' if gone == 1 else 'prices'} taken away")
    raise typer.Exit(0 if gone else FAILED)
