"""Who gets a read slot, and when."""

from __future__ import annotations

import asyncio

import pytest

from llm_observatory.errors import Overloaded, ShuttingDown
from llm_observatory.otlp.read_slots import Reader, ReadSlots, Slot, most_held
from tests.contract.otlp.waiting import until


def later(seconds: float = 5.0) -> float:
    return asyncio.get_running_loop().time() + seconds


async def queued(slots: ReadSlots, connection: str, hold: float = 5.0, signal: str = "traces") -> asyncio.Task[Slot]:
    """A waiter that has joined the queue."""
    task = asyncio.create_task(slots.acquire(Reader(connection, signal), later(hold)))
    await asyncio.wait([task], timeout=0.001)
    return task


async def test_as_many_as_slots() -> None:
    slots = ReadSlots(2)
    first = await slots.acquire(Reader("a", "traces"), later())
    await slots.acquire(Reader("b", "traces"), later())
    third = await queued(slots, "c")
    assert not third.done()
    first.release()
    await third
    assert slots.held == 2


async def test_one_per_connection_although_others_are_free() -> None:
    slots = ReadSlots(4)
    first = await slots.acquire(Reader("a", "traces"), later())
    second = await queued(slots, "a")
    assert not second.done()
    await slots.acquire(Reader("b", "traces"), later())
    first.release()
    await second


async def test_releasing_twice_frees_one_slot() -> None:
    slots = ReadSlots(1)
    slot = await slots.acquire(Reader("a", "traces"), later())
    slot.release()
    slot.release()
    await slots.acquire(Reader("b", "traces"), later())
    assert not (await queued(slots, "c")).done()
    assert slots.held == 1


async def test_connections_take_turns() -> None:
    slots = ReadSlots(1)
    slot = await slots.acquire(Reader("busy", "traces"), later())
    waiting = [await queued(slots, name) for name in ("busy", "busy", "calm")]
    order = []
    while waiting:
        slot.release()
        done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        (task,) = done
        order.append(waiting.index(task))
        waiting.remove(task)
        slot = task.result()
    assert order == [2, 0, 0]


async def test_the_hold_ends_in_overloaded_and_leaves_the_queue() -> None:
    slots = ReadSlots(1)
    slot = await slots.acquire(Reader("a", "traces"), later())
    with pytest.raises(Overloaded):
        await slots.acquire(Reader("b", "traces"), later(0.01))
    slot.release()
    await slots.acquire(Reader("c", "traces"), later())


async def test_a_cancelled_waiter_leaves_the_queue() -> None:
    slots = ReadSlots(1)
    slot = await slots.acquire(Reader("a", "traces"), later())
    waiter = await queued(slots, "b")
    waiter.cancel()
    await asyncio.wait([waiter])
    slot.release()
    assert slots.held == 0
    await slots.acquire(Reader("c", "traces"), later())


async def test_a_waiter_cancelled_when_its_turn_came_passes_the_slot_on() -> None:
    slots = ReadSlots(1)
    slot = await slots.acquire(Reader("a", "traces"), later())
    first, second = await queued(slots, "b"), await queued(slots, "c")
    slot.release()
    first.cancel()
    await asyncio.wait([first])
    await second
    assert first.cancelled()
    assert slots.held == 1


async def test_refusing_those_who_wait_keeps_those_who_read() -> None:
    slots = ReadSlots(1)
    slot = await slots.acquire(Reader("a", "traces"), later())
    waiter = await queued(slots, "b")
    slots.refuse_waiting(ShuttingDown)
    with pytest.raises(ShuttingDown):
        await waiter
    assert slots.held == 1
    slot.release()
    assert slots.held == 0


async def test_a_body_has_its_full_time_as_long_as_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_observatory.otlp.read_slots.FAIR_SECONDS", 0.05)
    slots = ReadSlots(1)
    slot = await slots.acquire(Reader("a", "traces"), later())
    own = await queued(slots, "a")
    passing = await queued(slots, "b", hold=0.01)
    assert await read(slot, 0.4) == pytest.approx(0.4, abs=0.1)
    passing.exception()
    slot.release()
    (await own).release()


@pytest.mark.alone("it judges time: no other test beside it")
async def test_one_reader_makes_way_for_each_who_waits_the_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_observatory.otlp.read_slots.FAIR_SECONDS", 0.1)
    slots = ReadSlots(3)
    ended: list[str] = []
    began = asyncio.get_running_loop().time()

    async def reader(name: str) -> None:
        slot = await slots.acquire(Reader(name, "traces"), later())
        await read(slot, 0.6)
        ended.append(name)
        slot.release()

    async with asyncio.TaskGroup() as readers:
        for name in ("oldest", "older", "young"):
            readers.create_task(reader(name))
        await until(lambda: slots.held == 3)
        await asyncio.gather(await queued(slots, "b"), await queued(slots, "c"))
        assert ended == ["oldest", "older"]
        assert asyncio.get_running_loop().time() - began < 0.5


async def test_a_reader_that_had_more_than_its_share_goes_when_somebody_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_observatory.otlp.read_slots.FAIR_SECONDS", 0.02)
    slots = ReadSlots(1)
    slot = await slots.acquire(Reader("a", "traces"), later())
    reading = asyncio.create_task(read(slot, 5.0))
    await asyncio.wait([reading], timeout=0.1)
    assert not reading.done()
    waiter = await queued(slots, "b")
    async with asyncio.timeout(1):
        await reading
        slot.release()
        await waiter


async def test_what_was_read_is_not_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_observatory.otlp.read_slots.FAIR_SECONDS", 0.02)
    slots = ReadSlots(1)
    slot = await slots.acquire(Reader("a", "traces"), later())
    async with slot.reading(5.0):
        waiter = await queued(slots, "b")
    await asyncio.wait([waiter], timeout=0.1)
    assert not waiter.done()
    slot.release()
    await waiter


async def test_many_short_calls_of_one_connection_are_not_behind_each_slow_one_of_others() -> None:
    """A turn for each call would put every short call behind all the slow connections once more."""
    slots = ReadSlots(1)
    slot = await slots.acquire(Reader("slow", "traces"), later())
    order: list[str] = []

    async def call(name: str) -> None:
        granted = await slots.acquire(Reader(name, "traces"), later())
        order.append(name)
        granted.release()

    async with asyncio.TaskGroup() as calls:
        for name in ("quick", "quick", "slow", "quick", "other"):
            await asyncio.wait([calls.create_task(call(name))], timeout=0.005)
        slot.release()
    assert order == ["quick", "quick", "quick", "other", "slow"]


async def test_a_slot_is_handed_on_without_a_look_at_everybody_who_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    slots = ReadSlots(1)
    slot = await slots.acquire(Reader("first", "traces"), later())
    waiting = [await queued(slots, f"c{number:03}") for number in range(200)]
    looked: list[Reader] = []
    turn = slots._turn

    def noted(reader: Reader) -> float:
        looked.append(reader)
        return turn(reader)

    monkeypatch.setattr(slots, "_turn", noted)
    for task in waiting:
        slot.release()
        slot = await task
    assert [task.result().reader.connection for task in waiting] == [f"c{number:03}" for number in range(200)]
    assert len(looked) < 3 * len(waiting)


async def test_connections_that_are_gone_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_observatory.otlp.read_slots.KEPT_DEBTS", 10)
    slots = ReadSlots(1)
    for number in range(100):
        (await slots.acquire(Reader(str(number), "traces"), later())).release()
    assert len(slots._due) <= 11


async def read(slot: Slot, seconds: float) -> float:
    """Read a body that never comes; how long it was waited for."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    with pytest.raises(TimeoutError):
        async with slot.reading(seconds):
            await asyncio.Event().wait()
    return loop.time() - began


async def test_a_signal_without_a_slot_gets_one_whatever_the_others_hold() -> None:
    slots = ReadSlots(2)
    for name in "ab":
        await slots.acquire(Reader(name, "metrics"), later())
    assert not (await queued(slots, "c", signal="metrics")).done()
    first = await slots.acquire(Reader("a", "traces"), later())
    second = await queued(slots, "b")
    assert not second.done(), "the first beyond the number, no more"
    await slots.acquire(Reader("b", "logs"), later())
    assert slots.held == most_held(2, 3) == 4
    first.release()
    await second
    assert slots.held == 4


async def test_what_is_free_again_below_the_number_is_for_everybody() -> None:
    slots = ReadSlots(1)
    flood = [await slots.acquire(Reader("a", "metrics"), later())]
    extra = await slots.acquire(Reader("a", "traces"), later())
    waiting = await queued(slots, "b", signal="metrics")
    extra.release()
    assert not waiting.done(), "what was beyond the number is no free slot"
    flood[0].release()
    await waiting
