"""Write the golden corpus: `python -m tests.golden --write`.

The requests of hand-picked cases come from `hand_picked`. Those of generated cases are drawn once, for other versions of
the generator draw others: `--write` keeps their requests where there are files, and writes what the codec makes of them now.
Look at the difference before you commit it: the files are what a second implementation is held to.
"""

from __future__ import annotations

import argparse
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from llm_observatory import codec
from tests.golden.case import Case, paths, read, write
from tests.golden.hand_picked.cases import CASES
from tests.plugins import otlp_messages
from tests.plugins.hostile_wire import write as write_wire
from tests.unit.codec.spans import TERMS

GENERATED = 40
"""A signal."""
SIZES = range(120, 1100)
"""Bytes of a generated request: large ones are hard to read and say the same again."""
KEPT = {0: TERMS._replace(content_max_bytes=0), 1: TERMS._replace(content_max_bytes=40)}
"""Terms of the first cases of ten; the others keep all content."""


def generate(signal: str) -> list[Case]:
    """New cases, about half of them without anything strange."""
    found: list[bytes] = []

    @seed(20251009)
    @settings(max_examples=1000, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
    @given(data=st.data())
    def draw(data: Any) -> None:
        request = data.draw(otlp_messages.requests(signal, strange=data.draw(st.booleans())))
        payload = write_wire(request, data.draw(otlp_messages.styles))
        if len(payload) in SIZES and len(found) < GENERATED:
            found.append(payload)

    draw()
    return [
        Case(signal, f"generated_{number:02}", "Drawn at random.", payload, KEPT.get(number % 10, TERMS))
        for number, payload in enumerate(found)
    ]


def main() -> None:
    """Write all files."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden", description=__doc__)
    parser.add_argument("--write", action="store_true", required=True, help="write the files")
    parser.parse_args()
    codec.select("reference")  # the readable one says what is right; the other is held to it
    there = {path: read(path)[0] for path in paths() if path.stem.startswith("generated_")}
    drawn = [] if there else [case for signal in otlp_messages.REQUESTS for case in generate(signal)]
    cases = [*CASES, *there.values(), *drawn]
    for path in set(paths()) - {case.path for case in cases}:
        path.unlink()
    for case in cases:
        write(case)
    print(f"{len(cases)} cases, {sum(case.path.stat().st_size for case in cases) / 1e6:.2f} MB")  # noqa: T201  # for people


if __name__ == "__main__":
    main()
