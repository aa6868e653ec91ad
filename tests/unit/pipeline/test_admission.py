"""ByteMeter: bounded, first come first served, and nothing is lost when a waiter leaves."""

from __future__ import annotations

import asyncio

import pytest

from llm_observatory.errors import Overloaded
from llm_observatory.pipeline.admission import ByteMeter


def soon() -> float:
    return asyncio.get_running_loop().time() + 0.05


def later() -> float:
    return asyncio.get_running_loop().time() + 10


async def turn() -> None:
    """Let everything that is ready run."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_lets_in_up_to_the_limit_and_refuses_beyond() -> None:
    meter = ByteMeter(100)
    await meter.acquire(60, soon())
    await meter.acquire(40, soon())
    with pytest.raises(Overloaded):
        await meter.acquire(1, soon())
    assert meter.used == 100


async def test_what_is_larger_than_the_limit_is_served_alone() -> None:
    meter = ByteMeter(100)
    await meter.acquire(500, soon())
    with pytest.raises(Overloaded):
        await meter.acquire(1, soon())
    meter.release(500)
    await meter.acquire(1, soon())
    with pytest.raises(Overloaded):
        await meter.acquire(500, soon())


async def test_room_goes_to_who_waits_longest() -> None:
    meter = ByteMeter(100)
    await meter.acquire(100, soon())
    order: list[str] = []

    async def wait(name: str, size: int) -> None:
        await meter.acquire(size, later())
        order.append(name)

    tasks = [asyncio.create_task(wait("large", 100)), asyncio.create_task(wait("small", 1))]
    await turn()
    meter.release(100)
    await turn()
    assert order == ["large"]
    meter.release(100)
    await asyncio.gather(*tasks)
    assert order == ["large", "small"]


async def test_a_waiter_that_leaves_frees_the_way_for_the_next() -> None:
    meter = ByteMeter(100)
    await meter.acquire(60, soon())
    large = asyncio.create_task(meter.acquire(100, later()))
    await turn()
    small = asyncio.create_task(meter.acquire(40, later()))
    await turn()
    large.cancel()
    await small
    assert meter.used == 100
    with pytest.raises(asyncio.CancelledError):
        await large


async def test_room_given_to_a_waiter_cancelled_in_the_same_moment_is_given_back() -> None:
    meter = ByteMeter(100)
    await meter.acquire(100, soon())
    waiter = asyncio.create_task(meter.acquire(100, later()))
    await turn()
    meter.release(100)  # the waiter's future is resolved, the waiter has not run yet
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert meter.used == 0


async def test_a_newcomer_before_its_body_waits_only_while_the_meter_is_full() -> None:
    meter = ByteMeter(100)
    await meter.wait_for_room(soon())
    await meter.acquire(100, soon())
    with pytest.raises(Overloaded):
        await meter.wait_for_room(soon())
    waiting = asyncio.create_task(meter.wait_for_room(later()))
    await turn()
    meter.release(10)
    await waiting
    assert meter.used == 90
    assert not meter.full


async def test_growing_may_pass_the_limit_and_holds_back_the_next() -> None:
    meter = ByteMeter(100)
    await meter.acquire(50, soon())
    meter.grow(80)
    assert meter.full
    meter.grow(-100)
    await meter.acquire(70, soon())
