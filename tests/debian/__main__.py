"""Unpack the packages of packages.txt, with what they need, into .tools/: nothing is installed, no service starts.

No root is needed. What the system has installed is not fetched again: `tests/plugins/programs.py` finds both.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.plugins.programs import UNPACKED

PACKAGES = Path(__file__).parent / "packages.txt"


def main() -> int:
    """The exit status says whether all is there."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        print("make: the programs of tests/debian/packages.txt come from Debian, and there is no apt-get here", file=sys.stderr)
        return 1
    UNPACKED.parent.mkdir(exist_ok=True)
    wanted = [line for line in PACKAGES.read_text().split("\n") if line and not line.startswith("#")]
    try:
        missing = _missing(wanted, _system_lists())
    except subprocess.CalledProcessError as error:
        print(f"make: {' '.join(error.cmd)} failed: {error.stderr.strip()}", file=sys.stderr)
        return 1
    print(f"{len(missing)} packages of Debian unpacked into {UNPACKED.parent.name}/", file=sys.stderr)
    return 0


def _missing(wanted: list[str], options: list[str]) -> list[str]:
    """Fetch and unpack what is not installed of `wanted` and of what it depends on; the names."""
    # Each line: the address in quotes, the file's name, its size, its digest.
    simulated = _apt(*options, "install", "--print-uris", "-qq", "--no-install-recommends", "-o", "Debug::NoLocking=1", *wanted)
    names = [line.split()[1].split("_")[0] for line in simulated.splitlines() if line.startswith("'")]
    with TemporaryDirectory(dir=UNPACKED.parent) as folder:
        if names:
            _apt(*options, "download", "-qq", *names, cwd=Path(folder))
        for package in sorted(Path(folder).glob("*.deb")):
            subprocess.run(["dpkg-deb", "--extract", package, UNPACKED], check=True, capture_output=True, text=True)
    return names


def _system_lists() -> list[str]:
    """Options that make apt-get use lists of its own, where those of the system cannot be used."""
    known = subprocess.run(["apt-cache", "show", "--no-all-versions", "prometheus"], check=False, capture_output=True)
    if known.returncode == 0:
        return []
    lists, archives = UNPACKED.parent / "lists", UNPACKED.parent / "archives"
    for folder in (lists / "partial", archives / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    options = ["-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={archives}", "-o", "APT::Sandbox::User="]
    _apt(*options, "update", "-qq")
    return options


def _apt(*arguments: str, cwd: Path | None = None) -> str:
    return subprocess.run(
        ["apt-get", "-o", "APT::Sandbox::User=", *arguments], cwd=cwd, check=True, capture_output=True, text=True
    ).stdout


if __name__ == "__main__":
    raise SystemExit(main())
