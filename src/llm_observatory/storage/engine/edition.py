"""Which TimescaleDB a database has: version, licence and how it was built, and what follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llm_observatory.errors import SchemaMismatch

MINIMUM = (2, 20)
"""The oldest that is supported: its columnstore names, its real-time hierarchical aggregates, bloom filters."""


@dataclass(frozen=True, slots=True)
class Edition:
    """`licence` is what the server runs under: `timescale` (the community edition) or `apache`."""

    version: tuple[int, ...]
    licence: Literal["timescale", "apache"]

    @classmethod
    def of(cls, version: str, licence: str) -> Edition:
        """From `extversion` (2.28.3, 2.29.0-dev) and the setting `timescaledb.license`. Raises SchemaMismatch if too old."""
        numbers = tuple(int(part) for part in version.partition("-")[0].split("."))
        if numbers < MINIMUM:
            oldest = ".".join(map(str, MINIMUM))
            message = f"TimescaleDB {version} is older than {oldest}: ALTER EXTENSION timescaledb UPDATE"
            raise SchemaMismatch(message)
        return cls(numbers, "apache" if licence == "apache" else "timescale")

    @property
    def community(self) -> bool:
        """Columnstore, continuous aggregates and policies are there: they are under the Timescale licence."""
        return self.licence == "timescale"

    @property
    def has_sparse_indexes(self) -> bool:
        """They can be declared; before 2.22 TimescaleDB chooses them by the btree indexes of the table."""
        return self.version >= (2, 22)

    @property
    def refreshes_in_batches(self) -> bool:
        """A refresh policy goes bucket by bucket, and can be told how many at once."""
        return self.version >= (2, 21)

    @property
    def has_direct_compress(self) -> bool:
        """COPY into the columnstore honours NOT NULL since 2.28.1."""
        return self.community and self.version >= (2, 28, 1)

    @property
    def has_compaction_policy(self) -> bool:
        """What was compressed by COPY is put in order while the chunk is still written to."""
        return self.community and self.version >= (2, 29)

    def __str__(self) -> str:
        return f"TimescaleDB {'.'.join(map(str, self.version))} ({'community' if self.community else 'Apache'} licence)"
