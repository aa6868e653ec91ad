"""How much memory there is for the embedded server and the service beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import psutil


def usable_memory(groups: Path = Path("/proc/self/cgroup"), mounted: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that may be used here: the machine's, or what the process's control group or one above it has, if that is less.

    Control groups of both versions (cgroups(7)): that of a unit with `MemoryMax=`, and that of a container, which is the
    topmost one it sees, whatever name the host has for it.
    """
    limits = [psutil.virtual_memory().total]
    for file in _limits(groups, mounted):
        try:
            limits.append(int(file.read_text(encoding="ascii")))
        except (OSError, ValueError):
            continue  # not that kind of cgroup, or "max"
    return min(limits)


def _limits(groups: Path, mounted: Path) -> Iterator[Path]:
    try:
        ours = groups.read_text(encoding="utf-8").splitlines()
    except OSError:
        ours = []  # not Linux
    for line in ours:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            folder, name = mounted, "memory.max"
        elif "memory" in controllers.split(","):
            folder, name = mounted / "memory", "memory.limit_in_bytes"
        else:
            continue
        group = PurePosixPath(path)
        yield from (folder / each.relative_to("/") / name for each in (group, *group.parents))
