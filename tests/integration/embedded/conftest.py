"""A data folder a test, and services on it; whatever a test leaves running is ended by its pid."""

from __future__ import annotations

import pwd
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llm_observatory.storage.embedded.account import Account
from tests.integration.embedded.support import ROOT, Service, end_all, interpreter_for, new_folder, started


@pytest.fixture
def empty_dir() -> Iterator[Path]:
    """A folder for a first start."""
    path = new_folder()
    yield path
    end_all(path)


@pytest.fixture(scope="session")
def made_once() -> Iterator[Path]:
    path = new_folder()
    with started(path):
        pass
    yield path
    end_all(path)


@pytest.fixture
def copy(made_once: Path) -> Iterator[Callable[[Path], Path]]:
    """Make a folder that does not exist yet a data folder whose server was stopped well; initdb costs a second or more."""
    made: list[Path] = []

    def copy(path: Path) -> Path:
        made.append(path)
        subprocess.run(["cp", "-a", made_once, path], check=True)
        return path

    yield copy
    for path in made:
        end_all(path)


@pytest.fixture
def data_dir(copy: Callable[[Path], Path]) -> Path:
    """A data folder whose server was stopped well."""
    return copy(new_folder(make=False))


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
