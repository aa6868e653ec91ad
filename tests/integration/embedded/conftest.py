"""A data folder a test, and services on it; whatever a test leaves running is ended by its pid."""

from __future__ import annotations

import pwd
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_observatory.storage.embedded.account import Account
from tests.integration.embedded.support import ROOT, Service, end_all, interpreter_for, started


@pytest.fixture
def empty_dir() -> Iterator[Path]:
    """A folder for a first start."""
    # Not below tmp_path: as root its parents are 0700, and the server runs under another account.
    path = Path(tempfile.mkdtemp(prefix="observatory-")).resolve()
    yield path
    end_all(path)


@pytest.fixture(scope="session")
def made_once() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="observatory-")).resolve()
    with started(path):
        pass
    yield path
    end_all(path)


@pytest.fixture
def data_dir(made_once: Path) -> Iterator[Path]:
    """A data folder whose server was stopped well: a copy, since initdb costs a test half a second."""
    path = Path(tempfile.mkdtemp(prefix="observatory-")).resolve()
    subprocess.run(["cp", "-a", f"{made_once}/.", path], check=True)
    yield path
    end_all(path)


@pytest.fixture
def serve(data_dir: Path) -> Iterator[Callable[..., Service]]:
    services: list[Service] = []

    def start(path: Path = data_dir, **options: Any) -> Service:
        services.append(Service(path, **options))
        return services[-1]

    yield start
    for service in services:
        service.close()


@pytest.fixture
def progress() -> list[str]:
    return []


@pytest.fixture
def someone() -> Account:
    """An unprivileged account that is not us; only root can be someone else."""
    if not ROOT:
        pytest.skip("NOT RUN: acting as another user takes root")
    entry = pwd.getpwnam("nobody")
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name, switched=True)


@pytest.fixture
def their_python(someone: Account) -> str:
    found = interpreter_for(someone)
    if found is None:
        pytest.skip("NOT RUN: no Python of this version and these packages that an unprivileged account can reach")
    return found
