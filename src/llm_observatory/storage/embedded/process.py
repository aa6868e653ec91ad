"""Which process is our server: told by start time, executable, user and folder, never by a pid alone.

A pid is reused. The start time comes from the kernel as ticks since boot together with the boot's id (Linux), which does not
move when the clock is set, as psutil's wall-clock time does. A process is signalled through a handle that was checked after it
was opened, so that no other process can slip in between.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

_DELETED = " (deleted)"


@dataclass(frozen=True)
class Identity:
    """A process that cannot be mistaken for another one."""

    pid: int
    started: str
    executable: str


def started_at(pid: int) -> str:
    """When a process started, comparable over the life of the machine. Raises psutil.NoSuchProcess."""
    if sys.platform == "linux":
        try:
            fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            raise psutil.NoSuchProcess(pid) from None
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text(encoding='ascii').strip()}:{fields[19]}"
    return f"{psutil.Process(pid).create_time():.2f}"


def executable_of(process: psutil.Process) -> str:
    """The program a process runs; a file that was replaced since (an upgrade of ours) keeps its name."""
    return process.exe().removesuffix(_DELETED)


def identity_of(pid: int) -> Identity:
    """Raises psutil.Error if there is no such process, or it has ended and waits for its parent."""
    process = psutil.Process(pid)
    if process.status() == psutil.STATUS_ZOMBIE:
        raise psutil.ZombieProcess(pid)
    return Identity(pid, started_at(pid), executable_of(process))


def is_running(identity: Identity) -> bool:
    """Whether exactly this process still runs."""
    try:
        return identity_of(identity.pid) == identity
    except psutil.Error:
        return False


def servers_on(cluster: Path, uid: int) -> list[Identity]:
    """Every PostgreSQL process of `uid` that works in `cluster`: a server changes into it, its backends stay there."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.uids().real == uid and process.cwd() == str(cluster) and Path(executable_of(process)).name == "postgres":
                found.append(identity_of(process.pid))
    return found


def send(identity: Identity, number: signal.Signals) -> bool:
    """Signal exactly this process; False if it has ended."""
    try:
        if sys.platform == "linux":
            handle = os.pidfd_open(identity.pid)
            try:
                if not is_running(identity):
                    return False
                signal.pidfd_send_signal(handle, number)
            finally:
                os.close(handle)
        elif is_running(identity):
            os.kill(identity.pid, number)
        else:
            return False
    except ProcessLookupError:
        return False
    return True


def wait_for(identity: Identity, timeout: float | None) -> bool:
    """Wait until a process that is not our child has ended; False if it still runs after `timeout`."""
    try:
        process = psutil.Process(identity.pid)
        if not is_running(identity):
            return True
        process.wait(timeout)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return not is_running(identity)
    return True
