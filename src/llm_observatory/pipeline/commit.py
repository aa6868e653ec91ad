"""How a group is committed when things go wrong: retry inside the hold, make the partition, find the guilty request.

Transient errors are tried again; a request whose hold has passed leaves with UNAVAILABLE. A request whose values the
database refuses is found by halving the group and kept in `dead_letters`; the others commit. If every request of a
group is refused, or a lone one together with a row that is known to be good, the fault is ours: UNAVAILABLE for all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from llm_observatory import codec, metrics, spans
from llm_observatory.codec.request import EncodedRequest
from llm_observatory.errors import (
    DataRejected,
    MissingPartition,
    ObservatoryError,
    SchemaMismatch,
    StorageError,
    StorageUnavailable,
)
from llm_observatory.pipeline.submission import Submission
from llm_observatory.storage.write import Busy, Outcome, Stored, WriteRequest
from llm_observatory.tables.rules import REFUSED_BY_DATABASE

log = structlog.get_logger(__name__)

_UNREACHABLE = ("08", "57P")
READ_ONLY = "25006"
"""read_only_sql_transaction: a standby, or a managed server whose disk is full."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """DB_RETRY_*: tries of one write, and the waits between them in seconds."""

    max_attempts: int
    initial_delay: float
    max_delay: float
    multiplier: float

    def delays(self) -> Iterator[float]:
        """The waits, each after another try, without end."""
        delay = self.initial_delay
        while True:
            yield min(delay, self.max_delay)
            delay = min(delay * self.multiplier, self.max_delay)


class Store(Protocol):
    """A committer's own way into the database (`storage.session.CommitSession`)."""

    async def write(self, group: Sequence[WriteRequest]) -> list[Outcome]:
        """Write the group in one transaction; one outcome a request, in order.

        When it returns, every request whose outcome is Stored is durable (COMMIT returned with synchronous_commit on) and
        written once, however often the same digest was written before, here or elsewhere. When it raises, nothing of the
        group is known to be stored: StorageUnavailable (try again; a lost COMMIT is recognised by its digest),
        SchemaMismatch, DataRejected (some request's values), MissingPartition. Of untimed requests
        (`EncodedRequest.untimed`) no digest is kept: each is stored as often as it is written.
        """
        ...

    async def dry_run(self, request: WriteRequest) -> None:
        """Send rows and roll back; raises as `write`."""
        ...

    async def bury(self, request: WriteRequest, payload: bytes, error: str) -> Stored:
        """Keep a refused request."""
        ...


class Committer:
    """Commits groups through one store.

    `probe` makes a request of a signal that is known to be good; `on_refusal` hears when the database refuses what is
    known to be good, or to write at all.
    """

    def __init__(
        self,
        store: Store,
        policy: RetryPolicy,
        probe: Callable[[str], WriteRequest],
        on_refusal: Callable[[StorageError], None],
    ) -> None:
        self._store = store
        self._policy = policy
        self._probe = probe
        self._on_refusal = on_refusal

    async def commit(self, group: list[Submission]) -> None:
        """Resolve or fail every ack of `group`; never raises, whatever happens."""
        try:
            refused = await self._commit(group)
            await self._judge(group, refused)
        except StorageUnavailable as error:
            _fail_all(group, error)
        except Exception:
            # Unknown is not the client's fault: it keeps its data and comes back.
            log.exception("commit failed unexpectedly", requests=len(group))
            _fail_all(group, StorageUnavailable())

    async def _commit(self, group: list[Submission]) -> dict[Submission, DataRejected]:
        """Commit what can be; returns what the database refused, by request."""
        try:
            await self._attempt(group)
        except DataRejected as error:
            if len(group) == 1:
                return {group[0]: error}
            half = len(group) // 2
            return {**await self._commit(group[:half]), **await self._commit(group[half:])}
        return {}

    async def _attempt(self, group: list[Submission]) -> None:
        """Write `group`, again after transient errors, until every ack is resolved or failed. Raises DataRejected.

        A loop of our own: a retrying object of tenacity is part of a cycle with what it calls, and so kept the groups of a
        flood, four times what may be in flight, until the garbage collector came by.
        """
        answered, delays = 0, self._policy.delays()
        while waiting := _unresolved(group):  # none is left when the drain deadline has passed
            try:
                await self._write(waiting)
            except (StorageUnavailable, MissingPartition) as error:
                if isinstance(error, SchemaMismatch) or error.sqlstate == READ_ONLY:
                    self._on_refusal(error)
                answered += _was_answered(error)
                _let_go(_unresolved(group), error, out_of_tries=answered >= self._policy.max_attempts)
            if left := _unresolved(group):
                metrics.RETRIES.inc()
                await asyncio.sleep(min(next(delays), _hold_left(left)))

    async def _write(self, pending: list[Submission]) -> None:
        """One transaction; resolves what is stored. Raises StorageUnavailable when another process is storing some."""
        with _span(pending):
            outcomes = await self._store.write([submission.write for submission in pending])
        busy = None
        for submission, outcome in zip(pending, outcomes, strict=True):
            if isinstance(outcome, Busy):
                busy = outcome
            else:
                submission.resolve(outcome)
        if busy is not None:
            raise busy.error()

    async def _judge(self, group: list[Submission], refused: dict[Submission, DataRejected]) -> None:
        if not refused:
            return
        alike = len({error.sqlstate for error in refused.values()}) == 1
        ours = alike and len(refused) == len(group) > 1
        for signal in sorted({submission.write.signal for submission in refused}):
            of_signal = {submission: error for submission, error in refused.items() if submission.write.signal == signal}
            if ours or await self._good_row_is_refused(signal):
                error = next(iter(of_signal.values()))
                _fail_all(list(of_signal), StorageUnavailable("the database refuses good data", error.sqlstate))
            else:
                for submission, error in of_signal.items():
                    await self._bury(submission, error)

    async def _good_row_is_refused(self, signal: str) -> bool:
        try:
            await self._store.dry_run(self._probe(signal))
        except (DataRejected, SchemaMismatch) as error:
            self._on_refusal(error)
            return True
        return False

    async def _bury(self, submission: Submission, error: DataRejected) -> None:
        request = submission.write
        digest = request.digest.hex()
        log.error("request refused by the database", signal=request.signal, digest=digest, sqlstate=error.sqlstate)
        cause = f"SQLSTATE {error.sqlstate}: {error.__cause__}"
        refusal = EncodedRequest(tables=(), accepted=0, rejected_by_rule={REFUSED_BY_DATABASE: request.encoded.accepted})
        answered = replace(request, answer=codec.answer(request.signal, refusal))
        outcome = await self._store.bury(answered, submission.payload, cause)
        submission.resolve(outcome)
        if outcome.refused:
            metrics.DEAD_LETTERS.labels(request.signal).inc()


def _span(pending: list[Submission]) -> AbstractContextManager[None]:
    """A span of one transaction; none of one that holds nothing but what we export about ourselves."""
    if spans.Tracing.tracer is None or all(spans.is_own(submission.payload) for submission in pending):
        return nullcontext()
    return spans.span(
        "write transaction",
        "CLIENT",
        {
            "db.system.name": "postgresql",
            "db.operation.name": "COPY",
            "llm_observatory.signal": pending[0].write.signal,
            "llm_observatory.requests": len(pending),
            "llm_observatory.records": sum(submission.rows for submission in pending),
        },
    )


def _was_answered(error: StorageError) -> bool:
    """Whether a server answered. While none can be reached tries are not counted: only the hold ends them."""
    return error.sqlstate is not None and not error.sqlstate.startswith(_UNREACHABLE)


def _let_go(group: list[Submission], error: StorageError, *, out_of_tries: bool) -> None:
    """Fail what may not be held any longer."""
    now = asyncio.get_running_loop().time()
    for submission in group:
        if out_of_tries or submission.hold_until <= now:
            submission.fail(error if isinstance(error, StorageUnavailable) else StorageUnavailable())


def _unresolved(group: list[Submission]) -> list[Submission]:
    return [submission for submission in group if not submission.ack.done()]


def _hold_left(pending: list[Submission]) -> float:
    now = asyncio.get_running_loop().time()
    return max(0.0, max(submission.hold_until for submission in pending) - now)


def _fail_all(group: list[Submission], error: ObservatoryError) -> None:
    for submission in group:
        submission.fail(error)
