"""What `tune` advises, on a real server: it takes every value, and tells its own from it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import psycopg
import pytest
from psycopg import sql

from llm_observatory.operate.tune import Machine, advise

GIB = 1024**3


@pytest.mark.parametrize("memory", [GIB // 2, 16 * GIB, 256 * GIB])
def test_the_server_takes_every_value(server: str, licence: str | None, memory: int) -> None:
    """Checked as ALTER SYSTEM checks it; no configuration is read again, and nothing stays."""
    advice = advise(Machine(memory, 8, "ssd", 100, 90, timescaledb=licence is not None))
    with psycopg.connect(server, autocommit=True) as connection:
        known = connection.execute("SELECT name, enumvals FROM pg_settings").fetchall()
        choices = {name: values for name, values in known if values}
        missing = {setting.name for setting in advice} - {name for name, _ in known}
        assert missing == set()
        for setting in advice:
            if setting.name == "wal_compression" and setting.value not in choices["wal_compression"]:
                continue  # not built in, as the reason beside it says
            name = sql.SQL(setting.name)
            if setting.name == "shared_preload_libraries":
                continue  # a list of files, which this server may not have
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = {}").format(name, setting.value))
            connection.execute(sql.SQL("ALTER SYSTEM RESET {}").format(name))


def own_settings(url: str) -> str:
    """`url` with a work_mem that is nobody's advice: the server of the tests may have been tuned."""
    return url + ("&" if "?" in url else "?") + "options=-c%20work_mem%3D1MB"


def test_what_differs_is_told(database: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "llm_observatory", "tune", "--memory", "64GB", "--json"],
        env={**os.environ, "DATABASE_URL": own_settings(database)}, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    settings = {setting["name"]: setting for setting in json.loads(done.stdout)["settings"]}
    assert settings["shared_buffers"]["differs"] is True
    assert settings["shared_buffers"]["restart"] is True
    assert settings["work_mem"]["restart"] is False
    assert settings["fsync"]["differs"] is False
