"""What senders hear of a database while it comes back, and while it says nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from llm_observatory.app.database import Database
from llm_observatory.app.health import Health
from llm_observatory.settings import Settings
from llm_observatory.storage import probe as probes
from tests.integration.app.test_probes import listener
from tests.plugins.database import execute


class Restarting:
    """An embedded server that has ended and takes its time to come back."""

    def __init__(self, conninfo: str) -> None:
        self.conninfo = conninfo
        self.back = threading.Event()

    def is_alive(self) -> bool:
        return self.back.is_set()

    def ensure_running(self, _progress: object) -> str:
        assert self.back.wait(30)
        return self.conninfo


@pytest.fixture
async def up(database: str) -> AsyncIterator[Database]:
    """A database that was brought up."""
    made = Database(Settings(database_url=database), Health(refusal=None), lambda _line: None)
    await made.bring_up()
    assert made._health.ready, made._health.reasons
    yield made
    await made.close(1)


async def test_it_is_not_ready_while_its_server_is_started_again(up: Database, database: str) -> None:
    server = Restarting(database)
    up._embedded = server  # type: ignore[assignment]
    probing = asyncio.create_task(up.probe())
    await asyncio.sleep(0.1)
    assert not probing.done()
    assert up._health.reasons == ["database: the embedded PostgreSQL is being started again"]
    server.back.set()
    await probing
    assert up._health.ready
    up._embedded = None


async def test_a_look_at_the_catalog_ends_in_time(up: Database, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "CATALOG_SECONDS", 0.3)
    async with listener(answers=False) as port:
        up._inspect_at = 0
        probe = up._prepared_probe()
        silent = probes.DatabaseProbe(f"postgresql://u@127.0.0.1:{port}/d", "test", timeout_seconds=0.3)
        probe.differences = silent.differences  # type: ignore[method-assign]
        async with asyncio.timeout(10):
            await up.probe()
        assert not up._health.ready
    execute(database, "SELECT 1")
