"""What genai-prices knows as rows of `model_prices` and `model_price_names`: a program that writes them as one JSON document.

A process of its own, run once for each version of the library: to import the library's data takes 0.6 s of CPU and 96 MB,
which a service that has its rows needs no more.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, NamedTuple

from genai_prices.data import providers as all_providers
from genai_prices.types import (
    ClauseAnd,
    ClauseContains,
    ClauseEndsWith,
    ClauseEquals,
    ClauseOr,
    ClauseRegex,
    ClauseStartsWith,
    MatchLogic,
    ModelInfo,
    ModelPrice,
    Provider,
    StartDateConstraint,
    TieredPrices,
)

from llm_observatory.tables import MODEL_PRICE_NAMES, MODEL_PRICES


class PriceRow(NamedTuple):
    """A row of `model_prices`. Decimals and days go as text."""

    provider: str
    model: str
    service_tier: str
    input_band: int
    valid_from: str | None
    valid_to: str | None
    input_usd_per_token: str
    cache_read_usd_per_token: str
    cache_write_usd_per_token: str
    output_usd_per_token: str
    tenant: str = ""


class NameRow(NamedTuple):
    """A row of `model_price_names`."""

    subject: str
    provider: str
    place: int
    operator: str
    pattern: str
    price_provider: str
    price_model: str
    tenant: str = ""


PER_TOKEN = Decimal(1_000_000)
"""The library's prices are of a million tokens."""

NOON = time(12, tzinfo=UTC)
"""Prices that depend on the time of day (DeepSeek's before 2025-09) are taken as of then: sums by day know no better."""

STANDARD = ""
TIER_KEYS = ("service_tier", "processing", "speed")
"""What of the library's price context says which tier a call had: `service_tier` of spans, `batch`, `fast`."""

OTEL_PROVIDERS = {"x_ai": "x-ai", "gcp.gen_ai": "google", "azure.ai.openai": "azure", "azure.ai.inference": "azure"}
"""Well-known values of `gen_ai.provider.name` that the library's own rules do not match, or not to the cloud that bills."""


def prices(providers: Iterable[Provider]) -> Iterator[PriceRow]:
    """Rows of `model_prices`: of every model that has a price for tokens, by tier, time and input band."""
    for provider in providers:
        for model in provider.models:
            for tier, context in _tiers(model).items():
                yield from _dated(provider, model, tier, context)


def _tiers(model: ModelInfo) -> dict[str, dict[str, str] | None]:
    """The tiers that a model has prices of its own for, and the library's context of each."""
    found: dict[str, dict[str, str] | None] = {STANDARD: None}
    for variant in model.price_variants or ():
        [(key, value), *more] = variant.when.items()
        if key in TIER_KEYS and not more and _bands(variant.prices):
            found[value.lower()] = {key: value}
    return found


def _dated(provider: Provider, model: ModelInfo, tier: str, context: dict[str, str] | None) -> Iterator[PriceRow]:
    """The library's answer for every period in which it is the same."""
    constraints = [variant.constraint for variant in model.price_variants or ()] if context else []
    if not isinstance(model.prices, ModelPrice):
        constraints += [price.constraint for price in model.prices]
    days = sorted({constraint.start_date for constraint in constraints if isinstance(constraint, StartDateConstraint)})
    begins: list[date | None] = [None, *days]
    for valid_from, valid_to in zip(begins, [*days, None], strict=True):
        price = model.get_prices(datetime.combine(valid_from or date(1970, 1, 1), NOON), context)
        if context is not None and price == model.get_prices(datetime.combine(valid_from or date(1970, 1, 1), NOON)):
            continue
        for band in _bands(price):
            begin, end = (None if day is None else day.isoformat() for day in (valid_from, valid_to))
            yield PriceRow(provider.id, model.id, tier, band, begin, end, *_rates(price, band))


def _bands(price: ModelPrice) -> list[int]:
    """Above how many input tokens prices differ; none where tokens have no price."""
    of_tokens: list[Decimal | TieredPrices | None] = [
        getattr(price, key, None) for key in ("input_mtok", "cache_read_mtok", "cache_write_mtok", "output_mtok")
    ]
    if of_tokens[0] is None and of_tokens[-1] is None:
        return []
    return sorted({0}.union(*({tier.start for tier in of.tiers} for of in of_tokens if isinstance(of, TieredPrices))))


def _rates(price: ModelPrice, band: int) -> tuple[str, str, str, str]:
    """Of input, cache read, cache write, output. What has no price of its own is input like any other, as in the library."""

    def per_token(key: str, default: Decimal) -> Decimal:
        found: Decimal | TieredPrices | None = getattr(price, key, None)
        if isinstance(found, TieredPrices):
            found = next((tier.price for tier in reversed(found.tiers) if band >= tier.start), found.base)
        return default if found is None else found / PER_TOKEN

    fresh = per_token("input_mtok", Decimal(0))
    read, write = per_token("cache_read_mtok", fresh), per_token("cache_write_mtok", fresh)
    return str(fresh), str(read), str(write), str(per_token("output_mtok", Decimal(0)))


def names(providers: Iterable[Provider]) -> Iterator[NameRow]:
    """Rows of `model_price_names`, in the order in which the library tries them."""
    known = {provider.id: provider for provider in providers}
    rules: list[tuple[str, str, MatchLogic, str, str]] = [
        ("provider", "", ClauseEquals(name), provider, "") for name, provider in OTEL_PROVIDERS.items()
    ]
    rules += [("provider", "", ClauseEquals(provider), provider, "") for provider in known]
    rules += [("provider", "", of.provider_match, of.id, "") for of in known.values() if of.provider_match]
    rules += [("provider_of_model", "", of.model_match, of.id, "") for of in known.values() if of.model_match]
    for provider in known.values():
        for priced in (provider.id, *(provider.fallback_model_providers or ())):
            rules += [("model", provider.id, model.match, priced, model.id) for model in known[priced].models]
    place = 0
    for subject, of_provider, match, price_provider, price_model in rules:
        for operator, pattern in _simple(match):
            place += 1
            yield NameRow(subject, of_provider, place, operator, pattern, price_provider, price_model)


_OPERATORS = {
    ClauseEquals: "equals",
    ClauseStartsWith: "starts_with",
    ClauseEndsWith: "ends_with",
    ClauseContains: "contains",
}
"""Conditions on one text: its name here, which is also that of the field that holds the text."""


def _simple(match: MatchLogic) -> list[tuple[str, str]]:
    """Conditions of which one must hold, on names in lower case; what must hold together is one regex."""
    match match:
        case ClauseOr(parts):
            return [simple for part in parts for simple in _simple(part)]
        case ClauseAnd(parts):
            return [("regex", "^" + "".join(_ahead(part) for part in parts))]
        case ClauseRegex(regex):
            return [("regex", regex)]
        case _:
            operator = _OPERATORS[type(match)]
            return [(operator, str(getattr(match, operator)).lower())]


def _ahead(part: Any) -> str:
    """A condition on the whole text as a lookahead from its beginning."""
    [(operator, pattern)] = _simple(part)
    match operator:
        case "starts_with":
            return f"(?={re.escape(pattern)})"
        case "contains":
            return f"(?=.*{re.escape(pattern)})"
        case "regex" if pattern.startswith("^(?") and pattern.endswith(")"):
            return pattern.removeprefix("^")
        case _:
            message = f"{part}: a condition that is not known together with others"
            raise ValueError(message)


def main() -> None:
    """Write both tables to standard output."""
    rows: dict[str, Iterator[PriceRow] | Iterator[NameRow]] = {
        MODEL_PRICES.name: prices(all_providers),
        MODEL_PRICE_NAMES.name: names(all_providers),
    }
    json.dump({table: [row._asdict() for row in found] for table, found in rows.items()}, sys.stdout)


if __name__ == "__main__":
    main()
