"""Several workers: who runs beside whom, and what stays together."""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

from tests.conformance import plugin
from tests.conformance.record import Finding
from tests.plugins.service import wait_for
from tests.plugins.workers import ROOMS, TOGETHER, Turns, room_of, unit_of

TESTS = Path(__file__).parents[1]


@contextmanager
def asking(folder: Path, ran: list[str], name: str, *, alone: bool) -> Iterator[None]:
    """Another worker, which waits for its turn from the beginning of the block on."""

    def run() -> None:
        with closing(Turns(folder)) as turns, turns.taken(alone=alone):
            ran.append(name)

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join(10)
    assert not thread.is_alive()


def is_taken(file: Path) -> bool:
    with file.open("w") as probe:
        try:
            fcntl.flock(probe, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_most_tests_run_beside_each_other(tmp_path: Path) -> None:
    ran: list[str] = []
    with closing(Turns(tmp_path)) as ours, ours.taken(alone=False):
        with asking(tmp_path, ran, "other", alone=False):
            pass
        assert ran == ["other"]


def test_beside_one_that_is_alone_no_other_runs(tmp_path: Path) -> None:
    ran: list[str] = []
    with closing(Turns(tmp_path)) as ours:
        turn = ours.taken(alone=True)
        turn.__enter__()
        with asking(tmp_path, ran, "other", alone=False):
            wait_for(lambda: is_taken(tmp_path / "turn"), 10, "the other asks")
            ran.append("alone")
            turn.__exit__(None, None, None)
    assert ran == ["alone", "other"]


def test_who_waits_to_be_alone_is_not_overtaken(tmp_path: Path) -> None:
    ran: list[str] = []
    with closing(Turns(tmp_path)) as ours:
        turn = ours.taken(alone=False)
        turn.__enter__()
        with asking(tmp_path, ran, "alone", alone=True):
            wait_for(lambda: is_taken(tmp_path / "turn"), 10, "it asks")
            with asking(tmp_path, ran, "later", alone=False):
                turn.__exit__(None, None, None)
    assert ran == ["alone", "later"]


def test_what_stays_together() -> None:
    assert unit_of("tests/unit/test_a.py::test_b[x::y]") == "tests/unit/test_a.py"
    assert unit_of("tests/conformance/test_a.py::test_b") == unit_of("tests/conformance/test_c.py::test_d") == TOGETHER[0]


def test_every_room_has_its_place() -> None:
    assert [room_of(f"{room}test_a.py::test_b") for room in ROOMS] == [*range(len(ROOMS))]
    with_tests = {f"tests/{path.relative_to(TESTS).parts[0]}/" for room in TESTS.iterdir() for path in room.glob("**/test_*.py")
                  if ".venv" not in path.parts and "node_modules" not in path.parts}  # fmt: skip
    assert with_tests == set(ROOMS)


def test_what_a_worker_finds_of_otlp_is_reported() -> None:
    found = Finding("test_a.py::test_b", [("G1", "MUST")], "pass", ["seen"])
    findings: list[Finding] = []
    config = SimpleNamespace(stash={plugin.FINDINGS: findings})
    plugin.pytest_testnodedown(SimpleNamespace(config=config, workeroutput={"findings": [asdict(found)]}))
    plugin.pytest_testnodedown(SimpleNamespace(config=config))  # it crashed
    assert findings == [found]
