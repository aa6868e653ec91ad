"""Which core a process may use, and how much of them it used."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import psutil


def pin(pids: Iterable[int], core: int) -> None:
    """Keep processes, all their threads and all they start from now on to one core (Linux)."""
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {core})


def tree(process: psutil.Process) -> list[int]:
    """A process and those it started."""
    return [process.pid, *(child.pid for child in process.children(recursive=True))]


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time that processes have used so far; what has ended counts for nothing."""
    seconds = 0.0
    for pid in pids:
        try:
            times = psutil.Process(pid).cpu_times()
        except psutil.NoSuchProcess:
            continue
        seconds += times.user + times.system
    return seconds


def busy_seconds() -> float:
    """CPU time that all processes of this machine have used so far, other people's included."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "guest", 0.0)
