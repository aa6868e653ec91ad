"""Clearing the way for a new server: what an earlier one left running or lying about.

Only processes that are PostgreSQL, of our account and in our cluster are signalled. A postmaster.pid that names anyone else's
process is not believed: PostgreSQL would refuse to start on it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable

from llm_observatory.errors import EmbeddedServerError
from llm_observatory.storage.embedded import process
from llm_observatory.storage.embedded.account import Account
from llm_observatory.storage.embedded.files import read_text, replace_text
from llm_observatory.storage.embedded.folder import Layout
from llm_observatory.storage.embedded.postmaster import Postmaster
from llm_observatory.storage.embedded.process import Identity

_FAST_SECONDS = 30.0
_END_SECONDS = 5.0


def recorded_pid(layout: Layout) -> int | None:
    """The pid in postmaster.pid (negative: a single-user PostgreSQL), None if there is none."""
    first = (read_text(layout.postmaster_pid) or "").partition("\n")[0].strip()
    digits = first.removeprefix("-")
    return int(first) if digits.isascii() and digits.isdecimal() else None


def clear(layout: Layout, account: Account, progress: Callable[[str], None]) -> bool:
    """End every server process on the cluster and make its lock files harmless. True if the last server did not end well."""
    pid = recorded_pid(layout)
    running = process.servers_on(layout.cluster, account.uid)
    if pid is not None and pid < 0 and any(found.pid == -pid for found in running):
        raise EmbeddedServerError(f"a single-user PostgreSQL, pid {-pid}, works on {layout.cluster}: end it first")
    for found in running:
        if found.pid == pid:
            progress(f"stopping the PostgreSQL, pid {pid}, that an earlier run left behind")
            Postmaster(found).stop(_FAST_SECONDS)
    _end(process.servers_on(layout.cluster, account.uid), progress)
    return _disarm(layout, account)


def _end(orphans: list[Identity], progress: Callable[[str], None]) -> None:
    """End backends that outlived their server: a busy one does not notice, and keeps the shared memory in use."""
    if orphans:
        progress(f"ending {len(orphans)} PostgreSQL processes whose server was killed")
    # Server processes answer SIGQUIT by leaving at once without touching shared memory.
    for number in (signal.SIGQUIT, signal.SIGKILL):
        for orphan in orphans:
            process.send(orphan, number)
        deadline = time.monotonic() + _END_SECONDS
        orphans = [orphan for orphan in orphans if not process.wait_for(orphan, max(0.0, deadline - time.monotonic()))]
    if orphans:
        pids = ", ".join(str(orphan.pid) for orphan in orphans)
        raise EmbeddedServerError(f"PostgreSQL processes {pids} do not end even when killed; their disk may hang")


def _disarm(layout: Layout, account: Account) -> bool:
    """Nothing of ours runs any more: make the lock files say so."""
    for leftover in layout.run.glob(".s.PGSQL.*"):
        leftover.unlink(missing_ok=True)
    text = read_text(layout.postmaster_pid)
    if text is None:
        return False
    pid = recorded_pid(layout)
    if pid is None:
        layout.postmaster_pid.unlink()  # empty after a crash on a full disk; PostgreSQL would refuse it for ever
    elif _is_taken(abs(pid)):
        # PostgreSQL would take that process for a live server. Its parent's pid it knows to be stale, and the rest of the file
        # still lets it check that no shared memory is in use.
        rest = text.partition("\n")[2]
        replace_text(layout.postmaster_pid, f"{os.getpid()}\n{rest}", account)
    return True


def _is_taken(pid: int) -> bool:
    """Whether PostgreSQL would take `pid` for alive. It asks the same way, and the ids of threads count too."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
