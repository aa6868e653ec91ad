"""Prices that operators set: rows of source `operator`, which win over those of the library."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import date
from decimal import Decimal

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.statements import statement
from llm_observatory.storage.translate import translated


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorPrice:
    """One row of `model_prices`; docs/schema.md says what each column means."""

    tenant: str = ""
    provider: str
    model: str
    service_tier: str = ""
    input_band: int = 0
    valid_from: date | None = None
    valid_to: date | None = None
    input_usd_per_token: Decimal
    cache_read_usd_per_token: Decimal
    cache_write_usd_per_token: Decimal
    output_usd_per_token: Decimal


async def listed(
    connection: AsyncConnection, *, provider: str = "%", model: str = "%", operator_only: bool = False
) -> list[tuple[str, OperatorPrice]]:
    """Rows with their source, the operator's first. `provider` and `model` are patterns of LIKE."""
    given = {"provider": provider, "model": model, "operator_only": operator_only}
    names = [field.name for field in fields(OperatorPrice)]
    with translated():
        found = await (await connection.execute(statement("list_prices"), given)).fetchall()
    return [(source, OperatorPrice(**dict(zip(names, row, strict=True)))) for source, *row in found]


async def put(connection: AsyncConnection, price: OperatorPrice) -> None:
    """Set it, in place of the one for the same names, tier, band and first day."""
    with translated():
        async with connection.transaction():
            for name in ("remove_price", "put_price"):
                await connection.execute(statement(name), asdict(price))


async def remove(connection: AsyncConnection, *, provider: str, model: str, tenant: str = "") -> int:
    """Take away all that an operator has set for these names. Returns how many rows."""
    given = {"tenant": tenant, "provider": provider, "model": model}
    with translated():
        return (await connection.execute(statement("remove_prices"), given)).rowcount
