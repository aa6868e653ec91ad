"""Measure our own receiver: `python -m tests.conformance [--write] [pytest's arguments]`.

With `--write` what was seen becomes `docs/reference/otlp-conformance.json` and `docs/otlp-conformance.md`, if all tests pass.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.conformance import page, record

FOLDER = Path(__file__).parent


def main() -> int:
    """Run, then write."""
    arguments = sys.argv[1:]
    if "--write" not in arguments:
        return _pytest(*arguments)
    arguments.remove("--write")
    with TemporaryDirectory() as folder:
        found = Path(folder) / "found.json"
        beside = f"--ignore={FOLDER / 'test_manifest.py'}"  # it is about the page as it was
        status = _pytest("--conformance-renew", f"--conformance-json={found}", beside, *arguments)
        if status == 0:
            run = record.read(found)
            record.write(run)
            page.write(run)
    return status


def _pytest(*arguments: str) -> int:
    return subprocess.run([sys.executable, "-m", "pytest", str(FOLDER), *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
