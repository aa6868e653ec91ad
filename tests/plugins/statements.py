"""Statements as they are sent, without a database: for tests that hold their shape against what was last looked at."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from llm_observatory.codec.rows import Fields
from llm_observatory.storage.compose import Statement
from llm_observatory.storage.read import Parameters, Reader

_LOOKED_AT = Path(__file__).parents[1] / "unit" / "query" / "statements"


def held_against(name: str, written: str) -> None:
    """Fails where statements are not those of the file; with `WRITE_STATEMENTS=1` it writes them anew."""
    looked_at = _LOOKED_AT / f"{name}.sql"
    if os.environ.get("WRITE_STATEMENTS"):
        looked_at.write_text(written, encoding="utf-8")
    assert written == looked_at.read_text(encoding="utf-8")


async def section(name: str, ask: Callable[[Recorder], Awaitable[Any]], answers: Mapping[str, list[Any]] | None = None) -> str:
    """What is sent to answer one question."""
    recorder = Recorder(answers or {})
    await ask(recorder)
    assert recorder.statements
    return "\n".join(f"-- {name}\n{statement}\n" for statement in recorder.statements)


class Recorder:
    """A Reader that only remembers what it was asked for. `answers` are rows for statements with a text in them."""

    def __init__(self, answers: Mapping[str, list[Any]]) -> None:
        self.statements: list[str] = []
        self._answers = answers

    async def rows(self, statement: Statement, parameters: Parameters) -> list[tuple[Any, ...]]:
        written = self._remember(statement, parameters)
        return next((rows for text, rows in self._answers.items() if text in written), [])

    async def fields(self, statement: Statement, parameters: Parameters) -> list[Fields]:
        self._remember(statement, parameters)
        return []

    async def stream(self, statement: Statement, parameters: Parameters, rows: int) -> AsyncGenerator[list[Fields], None]:
        self._remember(statement, parameters)
        nothing: list[list[Fields]] = []
        for rows_of_none in nothing:
            yield rows_of_none

    @asynccontextmanager
    async def on_one_connection(self) -> AsyncIterator[Reader]:
        yield self

    def _remember(self, statement: Statement, parameters: Parameters) -> str:
        written = "\n".join(line for line in statement.as_string(None).splitlines() if not line.startswith("--"))
        for name in parameters:
            assert not isinstance(parameters[name], type), name
        self.statements.append(written)
        return written
