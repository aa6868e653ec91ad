"""Prices that operators set: rows of source `operator`, which win over those of the library."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import date
from decimal import Decimal

from llm_observatory.storage.connection import AsyncConnection
from llm_observatory.storage.prices.seed import OPERATOR
from llm_observatory.storage.translate import translated
from llm_observatory.tables import MODEL_PRICES

_KEY = ("tenant", "provider", "model", "service_tier", "input_band", "valid_from")


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


_COLUMNS = ", ".join(field.name for field in fields(OperatorPrice))
_VALUES = ", ".join(f"%({field.name})s" for field in fields(OperatorPrice))
_SAME = " AND ".join(f"{name} IS NOT DISTINCT FROM %({name})s" for name in _KEY)

_LIST = f"""
SELECT source, {_COLUMNS} FROM {MODEL_PRICES.name}
WHERE (%(operator_only)s = false OR source = '{OPERATOR}') AND provider LIKE %(provider)s AND model LIKE %(model)s
ORDER BY source = '{OPERATOR}' DESC, provider, model, service_tier, input_band, valid_from NULLS FIRST
"""


async def listed(
    connection: AsyncConnection, *, provider: str = "%", model: str = "%", operator_only: bool = False
) -> list[tuple[str, OperatorPrice]]:
    """Rows with their source, the operator's first. `provider` and `model` are patterns of LIKE."""
    given = {"provider": provider, "model": model, "operator_only": operator_only}
    names = [field.name for field in fields(OperatorPrice)]
    with translated():
        found = await (await connection.execute(_LIST.encode(), given)).fetchall()
    return [(source, OperatorPrice(**dict(zip(names, row, strict=True)))) for source, *row in found]


async def put(connection: AsyncConnection, price: OperatorPrice) -> None:
    """Set it, in place of the one for the same names, tier, band and first day."""
    given = asdict(price)
    with translated():
        async with connection.transaction():
            await connection.execute(f"DELETE FROM {MODEL_PRICES.name} WHERE source = '{OPERATOR}' AND {_SAME}".encode(), given)
            await connection.execute(
                f"INSERT INTO {MODEL_PRICES.name} (source, {_COLUMNS}) VALUES ('{OPERATOR}', {_VALUES})".encode(), given
            )


async def remove(connection: AsyncConnection, *, provider: str, model: str, tenant: str = "") -> int:
    """Take away all that an operator has set for these names. Returns how many rows."""
    with translated():
        gone = await connection.execute(
            f"DELETE FROM {MODEL_PRICES.name} WHERE source = %s AND (tenant, provider, model) = (%s, %s, %s)".encode(),
            [OPERATOR, tenant, provider, model],
        )
    return gone.rowcount
