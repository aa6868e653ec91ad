"""What is to be asked of how much, and whether it can be."""

from __future__ import annotations

from dataclasses import dataclass

from llm_observatory.errors import ConfigError

LOGS = 333_000
"""Log records of the newest day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of `bench query`, see its `--help`. Raises ConfigError where they cannot be followed."""

    spans: int = 1_000_000
    days: int = 30
    logs: int = LOGS
    asked: int = 50
    seed: int = 1
    database_url: str | None = None
    database: str = "observatory_bench_query"
    keep: bool = False
    beside_ingest: float = 0.0
    """Seconds of a turn of `beside`; 0: none."""

    def __post_init__(self) -> None:
        faults = []
        if self.spans < self.days:
            faults.append(f"--spans: {self.spans} over {self.days} days is less than one a day")
        if self.keep and self.database_url is None:
            faults.append("--keep: an embedded server is gone with the run; name one with --database-url")
        if faults:
            raise ConfigError(faults)
