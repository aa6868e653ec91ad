"""The code of the release before this one, from the history of the project."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

VERSION, COMMIT = "0.1.0", "510421a1c383c283c97f425f7e1e80515b7ce688"
"""By its commit: a clone may have no tags."""

ROOT = Path(__file__).parents[2]


def _git(*arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", "-C", ROOT, *arguments], capture_output=True, check=False)


def lay_out(folder: Path) -> Path:
    """Write its sources and migrations into `folder`. Returns what PYTHONPATH has to name.

    Skips where the clone is shallow, and says so; fails where there is a history without that commit.
    """
    shallow = _git("rev-parse", "--is-shallow-repository")
    if shallow.returncode != 0:
        pytest.skip(f"the history of the project is not here: {shallow.stderr.decode().strip()}")
    archive = _git("archive", "--format=tar", COMMIT, "src", "migrations")
    if archive.returncode != 0:
        if shallow.stdout.strip() == b"true":
            pytest.skip(f"this clone is shallow and has no history: the code of {VERSION} ({COMMIT[:7]}) is not here")
        pytest.fail(f"the history is here and {COMMIT} is not in it: {archive.stderr.decode().strip()}")
    subprocess.run(["tar", "-x", "-C", folder], input=archive.stdout, check=True)
    return folder / "src"
