"""A lane: what waits for a commit, and the committers that take it.

A committer takes everything that waits, up to a number of rows and bytes, and commits it as one transaction. A lonely request
commits at once; a flood coalesces by itself while a committer is busy. Another joins it for what is worth a transaction, or
when the first takes long. A request is never split.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable

from llm_observatory import metrics
from llm_observatory.errors import Overloaded, ShuttingDown
from llm_observatory.pipeline.submission import Submission

GROUP_MAX_BYTES = 16 * 1024 * 1024
"""A group stops growing here: bounds the time of one transaction. One request larger than this goes alone."""

WORTH_ROWS = 2_000
WORTH_BYTES = 2 * 1024 * 1024
"""What a further committer takes while others are busy. A transaction costs the event loop 2 ms, whatever is in it, and a
committer that took all it found had six requests of 32 spans: two did 0.6 to 0.8 of what one did (ADR 0048)."""

PATIENCE_SECONDS = 0.1
"""Less than that waits so long for those that are busy: one that is stuck stops nobody."""

BEFORE_EXPIRY_SECONDS = 0.1
"""Nothing waits longer than until so much before it would be refused, whatever it waits for."""

Commit = Callable[[list[Submission]], Awaitable[None]]
"""Commits a group: resolves or fails the ack of every submission in it, never raises."""


class Lane:
    """A queue of submissions. Run `commit_loop` once for each committer."""

    def __init__(self, name: str, batch_rows: int, linger_seconds: float = 0.0) -> None:
        self.name = name
        self._batch_rows = batch_rows
        self._linger_seconds = linger_seconds
        self._waiting: deque[Submission] = deque()
        self._rows = self._bytes = self._busy = 0
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self._closed = False
        # Asked for when somebody scrapes: they change four times a request.
        metrics.BUFFER_SIZE.labels(name, "rows").set_function(lambda: self._rows)
        metrics.BUFFER_SIZE.labels(name, "bytes").set_function(lambda: self._bytes)

    def put(self, submission: Submission) -> None:
        """Queue a submission. It fails with Overloaded if no committer took it by its `hold_until`."""
        if self._closed:
            submission.fail(ShuttingDown())
            return
        self._waiting.append(submission)
        self._count(submission, 1)
        loop = asyncio.get_running_loop()
        submission.queued_at = loop.time()
        submission.expiry = loop.call_at(submission.hold_until, self._expire, submission)
        # Not for every one: each would wake a free committer that waits for a busy one.
        if len(self._waiting) == 1 or self._is_enough():
            self._changed.set()

    async def commit_loop(self, commit: Commit) -> None:
        """Take groups and commit them until the lane is closed and empty."""
        while await self._commit_next(commit):
            pass

    async def _commit_next(self, commit: Commit) -> bool:
        """Whether there was a group. By itself, so that a committer that waits for the next holds nothing of the last."""
        group = await self._next()
        if not group:
            return False
        self._busy += 1
        try:
            await commit(group)
        finally:
            self._busy -= 1
            self._changed.set()
        failed = any(submission.failed for submission in group)
        metrics.FLUSHES.labels(self.name, "error" if failed else "success").inc()
        return True

    def close(self) -> None:
        """Take no more; committers finish what waits without lingering, then end."""
        self._closed = True
        self._changed.set()

    def abandon(self) -> None:
        """Fail everything that still waits: the drain deadline has passed."""
        while self._waiting:
            submission = self._waiting.popleft()
            self._left(submission)
            submission.fail(ShuttingDown())

    async def _next(self) -> list[Submission]:
        """The next group; nothing once the lane is closed and empty. One committer at a time waits for it."""
        async with self._turn:
            while (left := self._until_due()) is None or left > 0:
                if self._closed and not self._waiting:
                    return []
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await self._changed.wait()
            return self._take()

    def _until_due(self) -> float | None:
        """Seconds until what waits is taken if nothing else comes; None while nothing waits."""
        if not self._waiting:
            return None
        if self._closed or self._is_enough():
            return 0
        patience = max(self._linger_seconds, PATIENCE_SECONDS) if self._busy else self._linger_seconds
        if not patience:
            return 0
        first = self._waiting[0]
        return min(first.queued_at + patience, first.hold_until - BEFORE_EXPIRY_SECONDS) - asyncio.get_running_loop().time()

    def _is_enough(self) -> bool:
        """Whether what waits need not wait for more."""
        joining = self._busy and not self._linger_seconds  # who lingers wants whole batches
        rows, size = (WORTH_ROWS, WORTH_BYTES) if joining else (self._batch_rows, GROUP_MAX_BYTES)
        return self._rows >= min(rows, self._batch_rows) or self._bytes >= size

    def _take(self) -> list[Submission]:
        group: list[Submission] = []
        rows = size = 0
        while self._waiting:
            head = self._waiting[0]
            if group and (rows + head.rows > self._batch_rows or size + head.size > GROUP_MAX_BYTES):
                break
            self._waiting.popleft()
            self._left(head)
            group.append(head)
            rows += head.rows
            size += head.size
        return group

    def _expire(self, submission: Submission) -> None:
        self._waiting.remove(submission)
        self._left(submission)
        submission.fail(Overloaded())

    def _left(self, submission: Submission) -> None:
        if submission.expiry is not None:
            submission.expiry.cancel()
            submission.expiry = None
        self._count(submission, -1)

    def _count(self, submission: Submission, sign: int) -> None:
        self._rows += sign * submission.rows
        self._bytes += sign * submission.size
