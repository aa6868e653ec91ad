"""`bench ingest`: what the service takes in and commits, as ratios to a bare COPY of the same rows in the same run.

`bench` has the order of things, `turn` what is measured, `figures` what is made of it.
"""

from __future__ import annotations

from contextlib import ExitStack

from llm_observatory.operate.bench.ingest.bench import Bench
from llm_observatory.operate.bench.ingest.database import Say
from llm_observatory.operate.bench.ingest.figures import Figures
from llm_observatory.operate.bench.ingest.options import Options
from llm_observatory.operate.bench.report import Report


def run(options: Options, say: Say) -> tuple[Report, Figures]:
    """Measure. `say` is told what is being done. Whatever was started and made is gone when this returns or raises.

    Raises LaneFailed, StorageError.
    """
    with ExitStack() as stack:
        bench = Bench(options, say, stack)
        figures = Figures(options, bench.run())
        return Report("ingest", bench.settings(), figures.all()), figures


__all__ = ["Figures", "Options", "run"]
