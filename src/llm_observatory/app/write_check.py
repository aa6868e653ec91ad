"""Whether rows can be written at all: good ones of each signal are sent and rolled back.

Before the first readiness, and after a refusal. A missing table, a missing privilege or a foreign trigger shows here; a ping
and a look at the catalog do not tell.
"""

from __future__ import annotations

import time

import structlog

from llm_observatory.app.health import Health
from llm_observatory.app.probe import probe_request
from llm_observatory.errors import LOCK_NOT_AVAILABLE, DataRejected, SchemaMismatch, StorageError, StorageUnavailable
from llm_observatory.pipeline.signal import SIGNALS
from llm_observatory.storage.probe import words
from llm_observatory.storage.session import CommitSession

log = structlog.get_logger(__name__)


class WriteCheck:
    """Holds `Health.refusal`. `suspect` may be called by any committer, `recheck` by the prober."""

    def __init__(self, session: CommitSession, health: Health) -> None:
        self._session = session
        self._health = health

    def suspect(self, error: StorageError) -> None:
        """The database refuses a statement of ours: not ready until a good row goes through again."""
        if self._health.refusal is None:
            log.error("the database refuses to store", reason=words(error), sqlstate=error.sqlstate)
        self._health.refusal = words(error)

    async def close(self) -> None:
        """Close the connection."""
        await self._session.close()

    async def recheck(self) -> None:
        """Send good rows of every signal and roll them back, if there is a doubt."""
        if self._health.refusal is None:
            return
        try:
            for signal in SIGNALS:
                await self._try(signal.name)
        except (SchemaMismatch, DataRejected) as error:
            self._health.refusal = words(error)
        except StorageError:
            return  # away: the ping says so, the doubt stays
        else:
            self._health.refusal = None

    async def _try(self, signal: str) -> None:
        try:
            await self._session.dry_run(probe_request(signal, time.time_ns() // 1000))
        except StorageUnavailable as error:
            # A table that somebody holds locked refuses nothing, and the other signals need not wait for it.
            if error.sqlstate != LOCK_NOT_AVAILABLE:
                raise
