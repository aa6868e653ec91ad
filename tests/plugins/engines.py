"""The same test on every engine that can be had here."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from llm_observatory.settings import Settings
from llm_observatory.storage import migrate

SERVER, WEBASSEMBLY = "server", "webassembly"
"""Server: the one that `database` is a database of, the embedded PostgreSQL or what TEST_DATABASE_URL names. WebAssembly:
TimescaleDB with the Timescale licence, in one process, without jobs that run by themselves."""


@pytest.fixture
def wasm_database(wasm_timescale: str) -> str:
    """URL of a fresh, migrated database on the WebAssembly TimescaleDB."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, migrate.up(wasm_timescale, lambda _line: None, Settings())).result()
    return wasm_timescale


@pytest.fixture(params=[SERVER, WEBASSEMBLY])
def engine_database(request: pytest.FixtureRequest) -> str:
    """URL of a fresh, migrated database, on each engine in turn."""
    url: str = request.getfixturevalue("database" if request.param == SERVER else "wasm_database")
    return url
