"""A process of its own that takes turns: it prepares one, says so, and does it when it is told to."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Protocol

import psutil
import structlog

from llm_observatory.errors import ObservatoryError
from llm_observatory.operate.bench.ingest.samples import Outcome

_SPAWN = multiprocessing.get_context("spawn")
END_SECONDS = 1.0


class LaneFailed(ObservatoryError):
    """A lane could not do what it measures; the message says what happened."""


class Performer(Protocol):
    """What a process does. `prepare` takes as long as it takes; `perform` is what is measured."""

    def prepare(self, turn: Any) -> None:
        """Have everything ready that a client would have ready."""
        ...

    def perform(self) -> Outcome:
        """Do what was prepared."""
        ...


class Process:
    """One performer in a process of its own. `make` and its arguments are pickled."""

    def __init__(self, name: str, make: Callable[..., Performer], *arguments: object) -> None:
        self._name = name
        self._ours, theirs = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=_serve, args=(theirs, make, arguments), name=name, daemon=True)
        self._process.start()
        theirs.close()
        self._answer()

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self._process.pid is not None  # noqa: S101 - it was started
        return self._process.pid

    def prepare(self, turn: object) -> None:
        """Returns when it is ready. Raises LaneFailed."""
        self._ours.send(turn)
        self._answer()

    def start(self) -> None:
        """Begin with what was prepared."""
        self._ours.send(None)

    def done(self, seconds: float) -> bool:
        """Whether it has come to an end; waits for that so long at most."""
        return self._ours.poll(seconds)

    def outcome(self) -> Outcome:
        """What came of it. Raises LaneFailed."""
        outcome = self._answer()
        assert isinstance(outcome, Outcome)  # noqa: S101 - what `perform` returns
        return outcome

    def end(self) -> None:
        """End the process."""
        self._ours.close()
        self._process.join(END_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join(END_SECONDS)

    def _answer(self) -> object:
        try:
            answer = self._ours.recv()
        except EOFError:
            raise LaneFailed(f"the process of {self._name} ended by itself") from None
        if isinstance(answer, _Failure):
            raise LaneFailed(f"{self._name}: {answer}")
        return answer


class _Failure(str):
    """Why a process could not."""

    __slots__ = ()


def _serve(pipe: Connection, make: Callable[..., Performer], arguments: tuple[object, ...]) -> None:
    # Ctrl-C reaches the whole group; the first process ends the others, in order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    performer: Performer | None = None
    turn: object = None
    while True:
        try:
            if performer is None:
                answer: object = None
                performer = make(*arguments)
            elif turn is None:
                answer = performer.perform()
            else:
                answer = performer.prepare(turn)  # type: ignore[func-returns-value]  # None is the answer
        except Exception as error:  # noqa: BLE001 - told to the first process
            answer = _Failure(f"{type(error).__name__}: {error}")
        try:
            pipe.send(answer)
            turn = pipe.recv()
        except (EOFError, OSError):
            return


def tree(pid: int) -> list[int]:
    """A process and those it started."""
    try:
        process = psutil.Process(pid)
        return [process.pid, *(child.pid for child in process.children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def cpu_seconds(pid: int) -> float:
    """CPU time of a process and those it started, also of those that have ended."""
    seconds = 0.0
    for one in tree(pid):
        try:
            times = psutil.Process(one).cpu_times()
        except psutil.NoSuchProcess:
            continue
        seconds += times.user + times.system
        seconds += getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)
    return seconds


def place(pids: Iterable[int], cores: Iterable[int]) -> None:
    """Keep processes, all their threads and all they start from now on to some cores (Linux). What has ended is passed over."""
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for thread in Path(f"/proc/{pid}/task").iterdir():
                with contextlib.suppress(ProcessLookupError):
                    os.sched_setaffinity(int(thread.name), set(cores))
