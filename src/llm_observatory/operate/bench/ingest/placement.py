"""Which cores the database and everything else may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from llm_observatory.operate.bench.ingest.process import LaneFailed, place, tree

TOGETHER = 2
"""The bars are about so many cores; a larger machine uses no more of them."""


@contextmanager
def placed(server_pid: int | None, *, pin: bool) -> Iterator[str]:
    """Keep the server and this process, with all it starts from now on, to their cores for as long as the block runs.

    With `pin` the server has the first core and we the second; else both share the first two. Yields that in words.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield "all"
        return
    before = os.sched_getaffinity(0)
    first = sorted(before)[:TOGETHER]
    servers, ours = ([first[0]], [first[1]]) if pin else (first, first)
    if server_pid is None and pin:
        raise LaneFailed(
            "--pin: the server of --database-url does not run on this machine, or may not be seen; leave --pin out"
        )
    theirs = os.sched_getaffinity(server_pid) if server_pid is not None else set()
    try:
        if server_pid is not None:
            _place_server(server_pid, servers, pin=pin)
        os.sched_setaffinity(0, ours)
        yield f"database on {servers}, client and service on {ours}" if pin else f"all on {first}"
    finally:
        os.sched_setaffinity(0, before)
        if server_pid is not None:
            _place_server(server_pid, theirs, pin=False)


def _place_server(pid: int, cores: list[int] | set[int], *, pin: bool) -> None:
    try:
        place(tree(pid), cores)
    except PermissionError:
        if pin:
            raise LaneFailed("--pin: the server belongs to another account; run this as root, or leave --pin out") from None
