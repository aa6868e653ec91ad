"""One service a data folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from llm_observatory.errors import EmbeddedServerError
from llm_observatory.storage.embedded import EmbeddedServer
from tests.integration.embedded.support import Service, postmaster_pid, value


def test_a_second_service_is_refused_with_the_pid_of_the_first(serve: Callable[..., Service], data_dir: Path) -> None:
    first = serve()
    server = postmaster_pid(data_dir)
    second = serve()
    assert f"pid {first.process.pid}," in second.refusal
    assert str(data_dir) in second.refusal
    assert "LLM_OBSERVATORY_DATA_DIR" in second.refusal
    assert postmaster_pid(data_dir) == server
    assert value(first.conninfo, "SELECT 1") == 1


def test_a_second_server_in_one_process_is_refused(data_dir: Path) -> None:
    with EmbeddedServer(data_dir) as first:
        with pytest.raises(EmbeddedServerError, match="already serving"):
            EmbeddedServer(data_dir).start()
        assert first.is_alive()


def test_the_folder_is_free_after_a_stop(serve: Callable[..., Service]) -> None:
    serve().stop()
    assert serve().conninfo


def test_a_refused_start_lets_the_folder_go(empty_dir: Path) -> None:
    (empty_dir / "cluster").mkdir()  # no cluster of anyone's
    for _ in range(2):
        with pytest.raises(EmbeddedServerError, match=r"PG_VERSION|belongs to"):
            EmbeddedServer(empty_dir).start()
