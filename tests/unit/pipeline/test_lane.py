"""Lane: a lonely request goes at once, a flood coalesces, nothing is split, nothing waits beyond its hold."""

from __future__ import annotations

import asyncio

import pytest

from llm_observatory.errors import Overloaded, ShuttingDown
from llm_observatory.pipeline import lane as lanes
from llm_observatory.pipeline.lane import Lane
from llm_observatory.pipeline.submission import Submission
from llm_observatory.storage.write import Stored
from tests.plugins.memory_store import write_request


def submission(number: int = 0, *, rows: int = 1, size: int = 10, hold: float = 10.0) -> Submission:
    return Submission(write_request(number.to_bytes(16, "big"), rows, size), b"", asyncio.get_running_loop().time() + hold)


class Recorder:
    """A commit function that records groups and waits to be let go."""

    def __init__(self) -> None:
        self.groups: list[list[Submission]] = []
        self.started, self.gate = asyncio.Event(), asyncio.Event()
        self.gate.set()

    async def commit(self, group: list[Submission]) -> None:
        self.groups.append(group)
        self.started.set()
        await self.gate.wait()
        for entry in group:
            entry.resolve(Stored(b""))


async def test_a_lonely_request_is_committed_at_once() -> None:
    lane, recorder = Lane("trace", 10), Recorder()
    task = asyncio.create_task(lane.commit_loop(recorder.commit))
    entry = submission()
    lane.put(entry)
    assert await entry.ack == Stored(b"")
    lane.close()
    await task


async def test_a_flood_coalesces_while_the_committer_is_busy() -> None:
    lane, recorder = Lane("trace", 1000), Recorder()
    recorder.gate.clear()
    task = asyncio.create_task(lane.commit_loop(recorder.commit))
    first = submission()
    lane.put(first)
    await recorder.started.wait()
    rest = [submission(number) for number in range(1, 50)]
    for entry in rest:
        lane.put(entry)
    recorder.gate.set()
    await asyncio.gather(first.ack, *(entry.ack for entry in rest))
    assert [len(group) for group in recorder.groups] == [1, 49]
    lane.close()
    await task


async def test_a_group_stops_at_the_row_limit_and_a_larger_request_goes_whole() -> None:
    lane, recorder = Lane("trace", 10), Recorder()
    for rows in (4, 6, 1, 25, 9):
        lane.put(submission(rows, rows=rows))
    lane.close()
    await lane.commit_loop(recorder.commit)
    assert [[entry.rows for entry in group] for group in recorder.groups] == [[4, 6], [1], [25], [9]]


async def test_a_group_stops_at_the_byte_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "GROUP_MAX_BYTES", 100)
    lane, recorder = Lane("trace", 1000), Recorder()
    for number, size in enumerate((60, 40, 60, 500)):
        lane.put(submission(number, size=size))
    lane.close()
    await lane.commit_loop(recorder.commit)
    assert [[entry.size for entry in group] for group in recorder.groups] == [[60, 40], [60], [500]]


async def test_what_no_committer_takes_in_time_is_refused_and_leaves() -> None:
    lane, recorder = Lane("trace", 10), Recorder()
    entry = submission(hold=0.01)
    lane.put(entry)
    with pytest.raises(Overloaded):
        await entry.ack
    lane.close()
    await lane.commit_loop(recorder.commit)
    assert recorder.groups == []


async def test_linger_waits_for_company_and_a_full_batch_ends_it() -> None:
    lane, recorder = Lane("trace", 3, linger_seconds=30), Recorder()
    task = asyncio.create_task(lane.commit_loop(recorder.commit))
    entries = [submission(number) for number in range(3)]
    lane.put(entries[0])
    await asyncio.sleep(0.01)
    assert recorder.groups == []
    lane.put(entries[1])
    lane.put(entries[2])
    await asyncio.gather(*(entry.ack for entry in entries))
    assert [len(group) for group in recorder.groups] == [3]
    lane.close()
    await task


async def two_committers(lane: Lane, recorder: Recorder) -> tuple[list[asyncio.Task[None]], Submission]:
    """Two committers, of which the first is stuck in its transaction."""
    tasks = [asyncio.create_task(lane.commit_loop(recorder.commit)) for _ in range(2)]
    recorder.gate.clear()
    first = submission()
    lane.put(first)
    await recorder.started.wait()
    return tasks, first


async def let_go(lane: Lane, recorder: Recorder, tasks: list[asyncio.Task[None]]) -> None:
    recorder.gate.set()
    lane.close()
    await asyncio.gather(*tasks)


async def test_little_waits_for_the_committer_that_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "PATIENCE_SECONDS", 30)
    lane, recorder = Lane("trace", 10_000), Recorder()
    tasks, first = await two_committers(lane, recorder)
    rest = [submission(number, rows=lanes.WORTH_ROWS // 3) for number in range(1, 4)]
    for entry in rest:
        lane.put(entry)
        await asyncio.sleep(0.01)
    assert [len(group) for group in recorder.groups] == [1]
    recorder.gate.set()
    await asyncio.gather(first.ack, *(entry.ack for entry in rest))
    assert [len(group) for group in recorder.groups] == [1, 3]
    await let_go(lane, recorder, tasks)


@pytest.mark.parametrize("size", [{"rows": lanes.WORTH_ROWS // 2}, {"size": lanes.WORTH_BYTES // 2}], ids=["rows", "bytes"])
async def test_what_is_worth_a_transaction_has_one(size: dict[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "PATIENCE_SECONDS", 30)
    lane, recorder = Lane("trace", 10_000), Recorder()
    tasks, _ = await two_committers(lane, recorder)
    lane.put(submission(1, **size))
    await asyncio.sleep(0.01)
    assert len(recorder.groups) == 1
    lane.put(submission(2, **size))
    await asyncio.sleep(0.01)
    assert [len(group) for group in recorder.groups] == [1, 2]
    await let_go(lane, recorder, tasks)


async def test_a_batch_smaller_than_that_is_worth_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "PATIENCE_SECONDS", 30)
    lane, recorder = Lane("trace", 5), Recorder()
    tasks, _ = await two_committers(lane, recorder)
    lane.put(submission(1, rows=5))
    await asyncio.sleep(0.01)
    assert len(recorder.groups) == 2
    await let_go(lane, recorder, tasks)


async def test_a_stuck_committer_holds_up_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "PATIENCE_SECONDS", 0.05)
    lane, recorder = Lane("trace", 10_000), Recorder()
    tasks, first = await two_committers(lane, recorder)
    lane.put(submission(1))
    lane.put(submission(2))
    await asyncio.sleep(0.2)
    assert [len(group) for group in recorder.groups] == [1, 2]
    assert not first.ack.done()
    await let_go(lane, recorder, tasks)


async def test_closing_commits_what_waits_without_lingering_and_takes_no_more() -> None:
    lane, recorder = Lane("trace", 10, linger_seconds=30), Recorder()
    task = asyncio.create_task(lane.commit_loop(recorder.commit))
    entry = submission()
    lane.put(entry)
    await asyncio.sleep(0.01)
    lane.close()
    await task
    assert await entry.ack == Stored(b"")
    refused = submission(1)
    lane.put(refused)
    with pytest.raises(ShuttingDown):
        await refused.ack


async def test_abandoning_fails_what_still_waits() -> None:
    lane = Lane("trace", 10)
    entry = submission()
    lane.put(entry)
    lane.close()
    lane.abandon()
    with pytest.raises(ShuttingDown):
        await entry.ack


async def test_who_lingers_has_whole_batches_while_a_committer_is_busy() -> None:
    lane, recorder = Lane("trace", 10_000, linger_seconds=30), Recorder()
    tasks = [asyncio.create_task(lane.commit_loop(recorder.commit)) for _ in range(2)]
    recorder.gate.clear()
    lane.put(submission(rows=10_000))
    await recorder.started.wait()
    lane.put(submission(1, rows=lanes.WORTH_ROWS))
    await asyncio.sleep(0.02)
    assert len(recorder.groups) == 1
    lane.put(submission(2, rows=10_000 - lanes.WORTH_ROWS))
    await asyncio.sleep(0.02)
    assert [len(group) for group in recorder.groups] == [1, 2]
    await let_go(lane, recorder, tasks)


async def test_a_linger_ends_before_the_hold() -> None:
    lane, recorder = Lane("trace", 10, linger_seconds=1), Recorder()
    task = asyncio.create_task(lane.commit_loop(recorder.commit))
    entry = submission(hold=0.3)
    lane.put(entry)
    assert await entry.ack == Stored(b"")
    lane.close()
    await task
