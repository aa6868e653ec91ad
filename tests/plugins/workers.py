"""Several workers (pytest-xdist), as `make test` starts them: what stays together, what comes first, what runs alone.

The tests of a file run in one worker, so that what a module shares is started once; those of the conformance suite do as well,
whose receiver, pinger and findings belong together. The rooms whose tests take longest come first, so that none is left over
for one worker. A test that judges how long something took says `@pytest.mark.alone(why)`: no other runs beside it.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO

import pytest
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

ROOMS = (
    "tests/upgrade/", "tests/e2e/", "tests/conformance/", "tests/integration/", "tests/migration/",
    "tests/contract/", "tests/deploy/", "tests/unit/",
)  # fmt: skip
"""By the time that a test of theirs takes."""

TOGETHER = ("tests/conformance/",)
"""Folders whose files share what only one worker can have."""

TURNS = pytest.StashKey["Turns"]()
SHARED_FOLDER = "observatory_turns"


class Turns:
    """Locks on files, between the workers of a run."""

    def __init__(self, folder: Path) -> None:
        # A test asks for the turn first and waits for the machine with it in hand: who wants to be alone is not overtaken.
        self._turn, self._machine = ((folder / name).open("w") for name in ("turn", "machine"))

    def close(self) -> None:
        """Let go."""
        self._turn.close()
        self._machine.close()

    @contextmanager
    def taken(self, *, alone: bool) -> Iterator[None]:
        """Run beside other tests, or alone."""
        with _locked(self._turn, fcntl.LOCK_EX):
            fcntl.flock(self._machine, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        try:
            yield
        finally:
            fcntl.flock(self._machine, fcntl.LOCK_UN)


@contextmanager
def _locked(file: TextIO, how: int) -> Iterator[None]:
    fcntl.flock(file, how)
    try:
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def unit_of(nodeid: str) -> str:
    """What a test runs in one worker with: its file, or the folder of it."""
    file = nodeid.partition("::")[0]
    return next((folder for folder in TOGETHER if file.startswith(folder)), file)


def room_of(nodeid: str) -> int:
    """The place of its room in `ROOMS`; what is in none comes last."""
    return next((number for number, room in enumerate(ROOMS) if nodeid.startswith(room)), len(ROOMS))


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # a class without types
    """Hands out units as they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "alone(why): the test judges how long something took, so no other runs beside it")
    folder = getattr(config, "workerinput", {}).get(SHARED_FOLDER)
    if folder is not None:
        config.stash[TURNS] = turns = Turns(Path(folder))
        config.add_cleanup(turns.close)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell each worker where the locks are."""
    if not hasattr(node.config, SHARED_FOLDER):
        folder = TemporaryDirectory(prefix="observatory-turns-")
        node.config.add_cleanup(folder.cleanup)
        setattr(node.config, SHARED_FOLDER, folder)
    node.workerinput[SHARED_FOLDER] = getattr(node.config, SHARED_FOLDER).name


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling:
    """Ours, whatever --dist says."""
    config.option.loadscopereorder = False  # by the number of tests, which says little of their time
    return Scheduling(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: room_of(item.nodeid))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Wait for the turn outside of the time that the test has."""
    turns = item.config.stash.get(TURNS, None)
    alone = item.get_closest_marker("alone") is not None
    turn: AbstractContextManager[None] = nullcontext() if turns is None else turns.taken(alone=alone)
    with turn:
        return (yield)
