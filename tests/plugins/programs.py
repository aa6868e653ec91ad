"""Programs that tests run and that Python has no package of: Prometheus, Alertmanager, pgBackRest, PostgreSQL's tools."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path

UNPACKED = Path(__file__).parents[2] / ".tools" / "root"
"""What `make setup` unpacked of Debian's packages (tests/debian/packages.txt)."""

_FOLDERS = ("usr/bin", "usr/sbin", "bin", "sbin", "usr/lib/postgresql/15/bin")
_LIBRARIES = (
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "lib/x86_64-linux-gnu",
    "lib/aarch64-linux-gnu",
    "usr/lib",
)


@cache
def program(name: str) -> Path:
    """Where it is: unpacked by `make setup`, or of the system. Raises LookupError that says what to do."""
    places = [UNPACKED / folder for folder in _FOLDERS]
    places.append(Path("/") / _FOLDERS[-1])
    found = shutil.which(name, path=os.pathsep.join([*map(str, places), os.environ.get("PATH", os.defpath)]))
    if found is None:
        raise LookupError(f"{name} is not here: `make setup` fetches it from Debian (tests/debian/packages.txt)")
    return Path(found)


def environment() -> dict[str, str]:
    """The environment such a program needs: it may want libraries that were unpacked beside it."""
    libraries = [str(UNPACKED / folder) for folder in _LIBRARIES if (UNPACKED / folder).is_dir()]
    given = os.environ.get("LD_LIBRARY_PATH")
    path = os.pathsep.join([*libraries, *([given] if given else [])])
    return os.environ | ({"LD_LIBRARY_PATH": path} if path else {})
