"""How full the disks of this machine are that matter: the data directory's, and those that backups went to."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk that `path` is on; bytes that an ordinary account can have."""

    name: str
    path: Path
    used: int
    free: int

    @property
    def ratio(self) -> float:
        """Used of all, as `df` reckons."""
        return self.used / max(1, self.used + self.free)


def disks(data_directory: Path | None, destinations: Iterable[str]) -> Iterator[Disk]:
    """Those that are on this machine and can be looked at, each folder once. The data's is measured before it is made."""
    folders = {} if data_directory is None else {data_directory: "data"}
    for destination in destinations:
        path = Path(destination.removeprefix("file://"))
        if path.is_absolute() and _is_here(path):
            folders.setdefault(path, "backups")
    for path, name in folders.items():
        place = next((place for place in (path, *path.parents) if _is_visible(place)), None)
        if place is not None:
            usage = shutil.disk_usage(place)
            yield Disk(name, path, usage.used, usage.free)


def _is_here(path: Path) -> bool:
    """Whether there is such a folder on this machine, one that this account may not look into included."""
    try:
        path.stat()
    except OSError as error:
        return isinstance(error, PermissionError)
    return True


def _is_visible(path: Path) -> bool:
    try:
        path.stat()
    except OSError:
        return False
    return True
