"""`python -m llm_observatory.app.reference --write docs` writes the pages there; `--check docs` names those that differ."""

from __future__ import annotations

import sys
from pathlib import Path

from llm_observatory.app.reference import PAGES

match sys.argv[1:]:
    case ["--write", folder]:
        for name, page in PAGES.items():
            (Path(folder) / name).write_text(page(), encoding="utf-8")
    case ["--check", folder]:
        stale = [name for name, page in PAGES.items() if (Path(folder) / name).read_text(encoding="utf-8") != page()]
        sys.exit(f"not what the code declares: {', '.join(stale)}; run `make reference`" if stale else 0)
    case _:
        sys.exit("usage: python -m llm_observatory.app.reference --write|--check DOCS")
