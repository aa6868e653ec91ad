"""A lane: what waits for a commit, and the committers that take it. Group commit without a clock.

A free committer takes everything that waits, up to a number of rows and bytes, and commits it as one transaction. A
lonely request commits at once; a flood coalesces by itself while the committers are busy. A request is never split.
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

Commit = Callable[[list[Submission]], Awaitable[None]]
"""Commits a group: resolves or fails the ack of every submission in it, never raises."""


class Lane:
    """A queue of submissions. Run `commit_loop` once for each committer."""

    def __init__(self, name: str, batch_rows: int, linger_seconds: float = 0.0) -> None:
        self.name = name
        self._batch_rows = batch_rows
        self._linger_seconds = linger_seconds
        self._waiting: deque[Submission] = deque()
        self._rows = self._bytes = 0
        self._arrived = asyncio.Event()
        self._hurry = asyncio.Event()
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
        submission.expiry = asyncio.get_running_loop().call_at(submission.hold_until, self._expire, submission)
        self._arrived.set()
        if self._rows >= self._batch_rows:
            self._hurry.set()

    async def commit_loop(self, commit: Commit) -> None:
        """Take groups and commit them until the lane is closed and empty."""
        while await self._something_waits():
            group = self._take()
            if group:
                await commit(group)
                failed = any(submission.failed for submission in group)
                metrics.FLUSHES.labels(self.name, "error" if failed else "success").inc()

    def close(self) -> None:
        """Take no more; committers finish what waits without lingering, then end."""
        self._closed = True
        self._arrived.set()
        self._hurry.set()

    def abandon(self) -> None:
        """Fail everything that still waits: the drain deadline has passed."""
        while self._waiting:
            submission = self._waiting.popleft()
            self._left(submission)
            submission.fail(ShuttingDown())

    async def _something_waits(self) -> bool:
        while not self._waiting:
            if self._closed:
                return False
            self._arrived.clear()
            await self._arrived.wait()
        if self._linger_seconds and not self._closed and self._rows < self._batch_rows:
            self._hurry.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), self._linger_seconds)
        return True

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
