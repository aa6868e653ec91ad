"""Who gets a read slot, and when."""

from __future__ import annotations

import asyncio

import pytest

from llm_observatory.errors import Overloaded, ShuttingDown
from llm_observatory.otlp.read_slots import ReadSlots, Slot


def later(seconds: float = 5.0) -> float:
    return asyncio.get_running_loop().time() + seconds


async def queued(slots: ReadSlots, connection: str, hold: float = 5.0) -> asyncio.Task[Slot]:
    """A waiter that has joined the queue."""
    task = asyncio.create_task(slots.acquire(connection, later(hold)))
    await asyncio.wait([task], timeout=0.001)
    return task


async def test_as_many_as_slots() -> None:
    slots = ReadSlots(2)
    first = await slots.acquire("a", later())
    await slots.acquire("b", later())
    third = await queued(slots, "c")
    assert not third.done()
    first.release()
    await third
    assert slots.held == 2


async def test_one_per_connection_although_others_are_free() -> None:
    slots = ReadSlots(4)
    first = await slots.acquire("a", later())
    second = await queued(slots, "a")
    assert not second.done()
    await slots.acquire("b", later())
    first.release()
    await second


async def test_releasing_twice_frees_one_slot() -> None:
    slots = ReadSlots(1)
    slot = await slots.acquire("a", later())
    slot.release()
    slot.release()
    await slots.acquire("b", later())
    assert not (await queued(slots, "c")).done()
    assert slots.held == 1


async def test_connections_take_turns() -> None:
    slots = ReadSlots(1)
    slot = await slots.acquire("busy", later())
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
    slot = await slots.acquire("a", later())
    with pytest.raises(Overloaded):
        await slots.acquire("b", later(0.01))
    slot.release()
    await slots.acquire("c", later())


async def test_a_cancelled_waiter_leaves_the_queue() -> None:
    slots = ReadSlots(1)
    slot = await slots.acquire("a", later())
    waiter = await queued(slots, "b")
    waiter.cancel()
    await asyncio.wait([waiter])
    slot.release()
    assert slots.held == 0
    await slots.acquire("c", later())


async def test_a_waiter_cancelled_when_its_turn_came_passes_the_slot_on() -> None:
    slots = ReadSlots(1)
    slot = await slots.acquire("a", later())
    first, second = await queued(slots, "b"), await queued(slots, "c")
    slot.release()
    first.cancel()
    await asyncio.wait([first])
    await second
    assert first.cancelled()
    assert slots.held == 1


async def test_refusing_those_who_wait_keeps_those_who_read() -> None:
    slots = ReadSlots(1)
    slot = await slots.acquire("a", later())
    waiter = await queued(slots, "b")
    slots.refuse_waiting(ShuttingDown)
    with pytest.raises(ShuttingDown):
        await waiter
    assert slots.held == 1
    slot.release()
    assert slots.held == 0
