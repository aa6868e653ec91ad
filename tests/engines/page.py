"""The page `docs/reference/engines.md`, rendered from what is on record and the words beside the probes."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.engines.capability import NOT_TRIED, Section
from tests.engines.record import Run
from tests.engines.run import SECTIONS

FILE = Path(__file__).parents[2] / "docs" / "reference" / "engines.md"

_INTRODUCTION = """\
# Engines

What each engine gives, by version and licence. Every cell was tried out on a database of that engine; how, and what the words
mean, stands below the table. TimescaleDB older than 2.20 is refused.

In the table *policy* is a job of TimescaleDB, *maintenance* the loop of this service, which one process runs every minute.
*Community* is the Timescale licence (`timescaledb.license = timescale`). *Embedded* is the PostgreSQL that runs without
`DATABASE_URL` and `DB_HOST`. *WebAssembly* is a TimescaleDB for tests, whose jobs run only when they are called.
"""

_RENEWING = """\
## How this page is made

It is written by `python -m tests.engines`, from [engines.json](engines.json). `tests/migration/test_engines_page.py` tries out
again what the tests have, the embedded PostgreSQL and the TimescaleDB in WebAssembly. To add or renew a column, name a server
and a superuser:

```sh (not run: it takes a server and twenty minutes)
.venv/bin/python -m tests.engines postgresql://superuser@server/postgres --write
```

The command makes a database of its own there and drops it afterwards. `postgres#2.24.0` at the end asks for that
version of TimescaleDB.
"""


def render(runs: Sequence[Run]) -> str:
    """The whole page."""
    sections = (line for section in SECTIONS for line in _section(section))
    return "\n".join([_INTRODUCTION, *_table(runs), "", *_last_runs(runs), "", *sections, _RENEWING])


def write(runs: Sequence[Run]) -> None:
    """Write the file."""
    FILE.write_text(render(runs), encoding="utf-8")


def _table(runs: Sequence[Run]) -> list[str]:
    capabilities = [capability.name for section in SECTIONS for capability in section.capabilities]
    return [
        _row("", (run.name for run in runs)),
        _row("---", ("---" for _ in runs)),
        *(_row(name, (run.found.get(name, NOT_TRIED) for run in runs)) for name in capabilities),
        _row("*on PostgreSQL*", (run.postgresql for run in runs)),
        _row("*last run*", (run.date for run in runs)),
    ]


def _row(first: str, cells: Iterable[str]) -> str:
    return f"| {' | '.join([first, *cells])} |"


def _last_runs(runs: Sequence[Run]) -> list[str]:
    native = [run for run in runs if run.engine == "TimescaleDB" and not run.build]
    lines = [f"- {run.date}: {run.version}, {run.licence} licence, on PostgreSQL {run.postgresql}" for run in native]
    return ["Last runs on native TimescaleDB:", "", *(lines or ["- none"])]


def _section(section: Section) -> list[str]:
    text = section.text if "\n" in section.text else _wrapped(section.text)
    items = (
        _wrapped(f"- **{capability.name}**: {capability.text} Tried: {capability.tried}", indent="  ")
        for capability in section.capabilities
    )
    return [f"## {section.title}", "", text, "", *items, ""]


def _wrapped(text: str, indent: str = "") -> str:
    return textwrap.fill(text, 128, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
