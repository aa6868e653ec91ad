"""What calls cost by the price table: what genai-prices itself reckons, unless an operator says otherwise."""

from __future__ import annotations

import json
import random
from collections.abc import AsyncIterator, Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data import providers
from typer.testing import CliRunner, Result

from llm_observatory.app.cli import cli
from llm_observatory.storage import prices
from llm_observatory.storage.connection import AsyncConnection, connect
from llm_observatory.storage.prices.seed import source
from llm_observatory.storage.prices.table import OTEL_PROVIDERS
from llm_observatory.storage.prices.table import prices as rows_of
from llm_observatory.tables.rollups import INPUT_BANDS

TOKENS = {"input_tokens": 1000, "cache_read_tokens": 300, "cache_write_tokens": 200, "output_tokens": 77}

_COST = """
SELECT llm_cost_usd(%(input)s, llm_fresh_input_tokens(%(input)s, %(read)s, %(write)s), %(read)s, %(write)s, %(output)s,
                    input_usd, cache_read_usd, cache_write_usd, output_usd)
FROM llm_rates('default', %(provider)s, %(response)s, %(request)s, %(tier)s, %(band)s)
WHERE valid_from <= %(day)s AND valid_to > %(day)s
"""


@pytest.fixture
async def connection(database: str) -> AsyncIterator[AsyncConnection]:
    opened = await connect(database)
    yield opened
    await opened.close()


async def cost(connection: AsyncConnection, provider: str | None, model: str | None, **given: Any) -> Decimal | None:
    """US dollars of a call with TOKENS, tier and time as given; None without a price."""
    tokens = {**TOKENS, **given.get("tokens", {})}
    band = max((band for band in INPUT_BANDS if tokens["input_tokens"] > band), default=0)
    asked = {
        "provider": provider,
        "response": model,
        "request": given.get("request"),
        "tier": given.get("tier"),
        "band": band,
        "day": given.get("day", date(2026, 11, 1)),
        "input": tokens["input_tokens"],
        "read": tokens["cache_read_tokens"],
        "write": tokens["cache_write_tokens"],
        "output": tokens["output_tokens"],
    }
    found = await (await connection.execute(_COST, asked)).fetchall()
    assert len(found) <= 1, "periods overlap"
    return Decimal(found[0][0]) if found else None


def of_library(provider: str | None, model: str, day: date, tier: str | None, tokens: dict[str, int]) -> Decimal | None:
    try:
        found = calc_price(
            Usage(**{**TOKENS, **tokens}),
            model,
            provider_id=provider,
            genai_request_timestamp=datetime(day.year, day.month, day.day, 12, tzinfo=UTC),
            price_context=None if tier is None else {"service_tier": tier},
        )
    except LookupError:
        return None
    priced = (
        getattr(found.model_price, "input_mtok", None) is not None
        or getattr(found.model_price, "output_mtok", None) is not None
    )
    return found.total_price if priced else None


async def test_what_a_call_costs_is_what_the_library_says(connection: AsyncConnection) -> None:
    draw = random.Random(7)
    models = [(provider.id, model.id) for provider in providers for model in provider.models]
    known = 0
    for provider, model in [
        *draw.sample(models, 250),
        ("aws", "us.anthropic.claude-sonnet-4-20250514-v1:0"),
        ("openai", "ft:x"),
    ]:
        seen = draw.choice([provider, provider, None])
        day = draw.choice([date(2024, 12, 1), date(2025, 7, 1), date(2026, 10, 13), date(2026, 11, 20)])
        tier = draw.choice([None, "flex", "priority"])
        tokens = {"input_tokens": draw.choice([1000, 200_000, 200_001, 300_000])}
        expected = of_library(seen, model, day, tier, tokens)
        assert await cost(connection, seen, model.upper(), day=day, tier=tier, tokens=tokens) == expected, (
            seen,
            model,
            day,
            tier,
        )
        known += expected is not None
    assert known > 150, "too little is compared"


async def test_a_dated_price_and_a_compact_date(connection: AsyncConnection) -> None:
    before, after = [await cost(connection, "openai", "o3", day=day) for day in (date(2025, 6, 9), date(2025, 6, 10))]
    assert before is not None
    assert after is not None
    assert before > after
    assert (
        await cost(connection, "openai", "gpt-4o-20240806") == await cost(connection, "openai", "gpt-4o-2024-08-06") is not None
    )


@pytest.mark.parametrize(
    "provider, model, same",
    [
        ("openai", "gpt-5-mini-2026-08-07", "gpt-5-mini"),
        ("openai", "GPT-5-mini-20260807", "gpt-5-mini"),
        (None, "gpt-5-mini-2026-08-07", "gpt-5-mini"),
        ("gcp.vertex_ai", "claude-opus-4-1@20260807", "claude-opus-4-1"),
        ("aws.bedrock", "global.anthropic.claude-sonnet-5-20260807-v1:0", "global.anthropic.claude-sonnet-5"),
    ],
)
async def test_a_model_of_a_date_that_is_not_known_costs_what_it_does_without(
    connection: AsyncConnection, provider: str | None, model: str, same: str
) -> None:
    assert await cost(connection, provider, model) == await cost(connection, provider, same) is not None


@pytest.mark.parametrize(
    "model", ["gpt-5-mini-2026-13-07", "gpt-5-mini-2026-0807", "gpt-5-mini-1234", "gpt-5-mini-20260807-beta"]
)
async def test_what_is_no_date_at_the_end_is_part_of_the_name(connection: AsyncConnection, model: str) -> None:
    assert await cost(connection, "openai", model) is None


async def test_a_name_without_its_date_is_tried_last(connection: AsyncConnection) -> None:
    exact = await cost(connection, "openai", "gpt-4o-2024-05-13")
    assert exact != await cost(connection, "openai", "gpt-4o"), "a date that has a price of its own"
    of_request = await cost(connection, "openai", "o3")
    assert await cost(connection, "openai", "gpt-5-mini-2026-08-07", request="o3") == of_request
    assert await cost(connection, "openai", "gpt-5-mini-2026-08-07", request="nobody-knows") == await cost(
        connection, "openai", "gpt-5-mini"
    )
    assert await cost(connection, "openai", "nobody-knows", request="o3-2026-08-07") == of_request


async def test_an_operator_s_price_holds_for_dates_that_nobody_knows_and_one_of_the_date_wins(
    connection: AsyncConnection,
) -> None:
    await prices.put(connection, operators(provider="openai", model="gpt-5-mini"))
    assert await cost(connection, "openai", "gpt-5-mini-2026-08-07") == 1000 + 77
    dated = operators(provider="openai", model="gpt-5-mini-2026-08-07", output_usd_per_token=Decimal(2))
    await prices.put(connection, dated)
    assert await cost(connection, "openai", "gpt-5-mini-2026-08-07") == 1000 + 2 * 77
    assert await cost(connection, "openai", "gpt-5-mini-2026-09-01") == 1000 + 77


async def test_the_model_of_the_request_is_priced_when_that_of_the_answer_is_not_known(connection: AsyncConnection) -> None:
    by_answer = await cost(connection, "openai", "gpt-4o")
    assert await cost(connection, "openai", "my-deployment", request="gpt-4o") == by_answer
    assert await cost(connection, "openai", None, request="gpt-4o") == by_answer
    assert await cost(connection, "openai", "gpt-4o", request="o3") == by_answer
    assert await cost(connection, "openai", "nobody-knows") is None
    assert await cost(connection, "nobody", "gpt-4o") is None


@pytest.mark.parametrize("provider", OTEL_PROVIDERS)
async def test_well_known_providers_of_opentelemetry_are_known(connection: AsyncConnection, provider: str) -> None:
    model = {"x_ai": "grok-4-0709", "gcp.gen_ai": "gemini-2.5-flash"}.get(provider, "gpt-4o")
    assert await cost(connection, provider, model) is not None


async def test_tokens_are_priced_once_and_never_below_nothing(connection: AsyncConnection) -> None:
    broken = await cost(connection, "anthropic", "claude-opus-4-6", tokens={"cache_read_tokens": 5000})
    fine = await cost(connection, "anthropic", "claude-opus-4-6", tokens={"input_tokens": 5200, "cache_read_tokens": 5000})
    assert broken == fine


def operators(**given: Any) -> prices.OperatorPrice:
    usd = dict.fromkeys(("input", "cache_read", "cache_write", "output"), Decimal(1))
    return prices.OperatorPrice(**{f"{name}_usd_per_token": value for name, value in usd.items()} | given)


async def test_an_operator_s_price_wins_for_as_long_as_it_holds(connection: AsyncConnection) -> None:
    listed = await cost(connection, "openai", "gpt-4o")
    ours = Decimal(1000 + 77)
    await prices.put(connection, operators(provider="openai", model="gpt-4o", valid_from=date(2026, 10, 1)))
    assert await cost(connection, "openai", "gpt-4o") == ours
    assert await cost(connection, "openai", "gpt-4o-2024-08-06") == ours, "a name of the same model"
    assert await cost(connection, "openai", "gpt-4o", day=date(2026, 9, 30)) == listed
    assert await cost(connection, "openai", "gpt-4o", tier="priority") == ours
    assert await prices.remove(connection, provider="openai", model="gpt-4o") == 1
    assert await cost(connection, "openai", "gpt-4o") == listed


async def test_an_operator_prices_what_nobody_knows_by_name_or_beginning(connection: AsyncConnection) -> None:
    await prices.put(connection, operators(provider="", model="llama-*"))
    await prices.put(connection, operators(provider="our gateway", model="llama-*", output_usd_per_token=Decimal(2)))
    await prices.put(connection, operators(tenant="other", provider="", model="llama-9", output_usd_per_token=Decimal(3)))
    assert await cost(connection, "nobody", "Llama-9") == 1000 + 77
    assert await cost(connection, "our gateway", "llama-9") == 1000 + 2 * 77
    assert await cost(connection, None, "my-llama-9") is None


async def test_a_price_is_set_once_and_the_library_s_rows_are_replaced_as_a_whole(connection: AsyncConnection) -> None:
    for usd in (1, 2):
        await prices.put(connection, operators(provider="openai", model="gpt-4o", output_usd_per_token=Decimal(usd)))
    [(_, mine)] = await prices.listed(connection, operator_only=True)
    assert mine.output_usd_per_token == 2
    count = len(await prices.listed(connection))
    assert await prices.ensure(connection) == []
    await connection.execute("UPDATE model_prices SET source = 'genai-prices 0.0.1' WHERE source <> 'operator'")
    await connection.execute("DELETE FROM model_prices WHERE source <> 'operator' AND provider = 'openai'")
    assert await prices.ensure(connection) == [f"prices: {count - 1:,} of {source()}"]
    assert len(await prices.listed(connection)) == count
    assert await prices.listed(connection, operator_only=True) == [("operator", mine)]


def test_every_tier_of_the_library_is_a_band_of_the_rollups() -> None:
    assert {row.input_band for row in rows_of(providers)} <= {0, *INPUT_BANDS}


@pytest.fixture
def run(database: str, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """The command line on the test's database."""
    monkeypatch.setenv("DATABASE_URL", database)
    return lambda *arguments: CliRunner().invoke(cli, ["prices", *arguments])


def test_an_operator_sets_lists_and_takes_away_prices(run: Callable[..., Result]) -> None:
    assert run("set", "OpenAI", "gpt-4o", "--input", "2.5", "--output", "10", "--from", "2026-10-01").exit_code == 0
    assert run("set", "", "llama-*", "--input", "1", "--output", "2", "--cache-read", "0.1", "--tier", "flex").exit_code == 0
    shown = run("list", "--operator").output.splitlines()
    assert shown == [
        "operator  (any)  llama-*  tier flex  input 1  cache read 0.1  cache write 1  output 2",
        "operator  openai  gpt-4o  from 2026-10-01  input 2.5  cache read 2.5  cache write 2.5  output 10",
    ]
    [price] = json.loads(run("list", "--operator", "--model", "gpt%", "--json").output)
    assert price | {"source": "operator", "valid_from": "2026-10-01", "input_usd_per_token": "0.0000025"} == price
    assert source() in run("list", "--provider", "openai", "--model", "gpt-4o").output
    assert run("unset", "openai", "gpt-4o").output == "1 price taken away\n"
    assert run("unset", "openai", "gpt-4o").exit_code == 1


@pytest.mark.parametrize(
    "option, value, words",
    [
        ("--input", "cheap", "is no price"),
        ("--input", "-1", "is no price"),
        ("--input", "NaN", "is no price"),
        ("--from", "tomorrow", "is no day"),
        ("--to", "2020-01-01", "is not before --to"),
    ],
)
def test_what_is_no_price_is_refused_in_words(run: Callable[..., Result], option: str, value: str, words: str) -> None:
    given = {"--input": "1", "--output": "1", "--from": "2026-10-01"} | {option: value}
    refused = run("set", "openai", "gpt-4o", *(part for pair in given.items() for part in pair))
    assert refused.exit_code == 2
    assert words in refused.output
    assert run("list", "--operator").output == ""
