"""`bench query` from end to end, on a real PostgreSQL: every question is answered and measured, and nothing is left behind."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import psycopg
import pytest

from llm_observatory.app.query_services import serving
from llm_observatory.errors import ConfigError
from llm_observatory.operate.bench import query
from llm_observatory.operate.bench.query import asking, beside, pool
from llm_observatory.operate.bench.query.questions import QUESTIONS, Known
from llm_observatory.storage import migrate

NAME = f"observatory_bench_query_{os.getpid()}"


def given(server: str, *, keep: bool = False, beside_ingest: float = 0.0) -> query.Options:
    return query.Options(
        spans=2_000, days=2, logs=200, asked=2, database_url=server, database=NAME, keep=keep, beside_ingest=beside_ingest
    )


def there(server: str) -> bool:
    with psycopg.connect(server, autocommit=True) as connection:
        return connection.execute("SELECT FROM pg_database WHERE datname = %s", [NAME]).fetchone() is not None


@pytest.mark.timeout(180)
async def test_every_question_is_measured_and_what_is_kept_is_asked_again(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "POOL_SPANS", 1_000)
    monkeypatch.setattr(pool, "POOL_LOGS", 500)
    monkeypatch.setattr(asking, "WARM_UP", 1)
    monkeypatch.setattr(beside, "ROUNDS", 1)
    of: dict[str, Any] = {}
    looked_up = asking.known

    async def known(*arguments: Any) -> Known:
        return replace(await looked_up(*arguments), **of)

    monkeypatch.setattr(query, "known", known)
    try:
        said: list[str] = []
        report = await query.run(given(server, keep=True, beside_ingest=0.5), server, serving, said.append)
        bars = {one.name: one.bar for one in report.measurements if one.bar is not None}
        together = {
            f"{question.name}, {rate}/s, beside ingest to alone": 2.0 for question, rate in beside.ASKED_A_SECOND.items()
        }
        together["ingest at half load, beside questions to alone"] = 0.85
        assert bars == {f"{question.name}: p95": question.bar for question in QUESTIONS} | together
        assert all(one.value > 0 for one in report.measurements if one.unit == "ms")
        assert any("day 2 of 2" in line for line in said)

        with pytest.raises(ConfigError, match="there is a database"):
            await query.run(given(server), server, serving, said.append)

        again: list[str] = []
        monkeypatch.setitem(of, "words", ["nobody"])
        with pytest.raises(query.NoAnswer, match="log text, newest 20 of a day: nothing was found"):
            await query.run(given(server, keep=True), server, serving, again.append)
        assert not any("day 2 of 2" in line for line in again)
    finally:
        await query.database.drop(server, NAME)


async def test_what_was_begun_is_dropped(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> None:
        assert there(server)
        raise ConfigError(["no migrations"])

    monkeypatch.setattr(migrate, "up", refuse)
    with pytest.raises(ConfigError, match="no migrations"):
        await query.run(given(server), server, serving, lambda _line: None)
    assert not there(server)
