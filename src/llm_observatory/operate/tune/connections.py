"""How many connections the service opens, and when a server has none left."""

from __future__ import annotations

from dataclasses import dataclass

from llm_observatory.pipeline.signal import SIGNALS
from llm_observatory.settings import Settings

LANES = len(SIGNALS) + 1
"""One of each signal, and the late one."""

BESIDE = 6
"""Of a process: write check, probe, probe of queries, observer, maintenance, partitions on demand. These are of days for which
there are none, which is rare; lanes that need some of different tables in the same moment have a connection each."""

PEOPLE = 10
"""For psql, backups, `llm-observatory` on the command line, exporters of metrics, and replication."""

RESERVED = 3
"""superuser_reserved_connections: PostgreSQL lets nobody else have them."""


@dataclass(frozen=True, slots=True)
class Connections:
    """`pool` is DB_POOL_MAX_CONNECTIONS that suits the processors, `fit` how many processes a server of `maximum` can bear."""

    committers: int
    pool: int
    per_process: int
    processes: int
    needed: int
    maximum: int
    suggested_pool: int
    fit: int

    @property
    def exhausted(self) -> bool:
        """Whether the processes can ask for more than there are."""
        return self.processes > self.fit


def connections(settings: Settings, cpus: int, processes: int, maximum: int | None = None) -> Connections:
    """What `processes` of these settings take at most, on a server that allows `maximum` or, without it, what they need.

    A connection that works keeps a processor or the disk busy: of more than twice the processors and one, some wait for the
    others (HikariCP, "About Pool Sizing").
    """
    committers = LANES * settings.ingest_committers
    per_process = committers + BESIDE + settings.db_pool_max_connections
    needed = per_process * processes + PEOPLE + RESERVED
    maximum = needed if maximum is None else maximum
    return Connections(
        committers=committers,
        pool=settings.db_pool_max_connections,
        per_process=per_process,
        processes=processes,
        needed=needed,
        maximum=maximum,
        suggested_pool=max(settings.db_pool_min_connections, -(-(2 * cpus + 1) // processes)),
        fit=max(0, maximum - PEOPLE - RESERVED) // per_process,
    )
