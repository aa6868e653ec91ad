"""`python -m dashboards [--check]`: write the dashboards as JSON, or say which files are not what they would be."""

from __future__ import annotations

import argparse
import sys

from dashboards.render import FOLDER, rendered


def main(argv: list[str] | None = None) -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file is not what it would be")
    check = parser.parse_args(argv).check
    files = rendered()
    stale = [path for path, text in files.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    odd = sorted(set(FOLDER.glob("*.json")) - files.keys())
    if check:
        for path in [*stale, *odd]:
            print(f"{path.name} is not what `make dashboards` writes", file=sys.stderr)
        return 1 if stale or odd else 0
    for path in stale:
        path.write_text(files[path], encoding="utf-8")
    for path in odd:
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
