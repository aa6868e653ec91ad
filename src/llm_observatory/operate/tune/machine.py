"""The machine that PostgreSQL has to itself, and what runs against it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from llm_observatory.storage.embedded.memory import usable_memory

Disk = Literal["ssd", "hdd"]

GIB = 1024**3
MINIMUM_MEMORY = GIB // 2
"""Below it the shares that the rules give would be too small to run on."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Memory in bytes, processors, disk, connections in all, and chunks or partitions of a table over its retention."""

    memory: int
    cpus: int
    disk: Disk
    connections: int
    chunks: int
    timescaledb: bool


def this_machine() -> tuple[int, int]:
    """Bytes of memory and processors that may be used here: the machine's, or the container's if it has less."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return usable_memory(), usable or 1
