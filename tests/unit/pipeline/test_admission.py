"""Admission: bounded, signals apart, first come first served beyond the reserves, and nothing is lost when a waiter leaves."""

from __future__ import annotations

import asyncio
import random

import pytest

from llm_observatory.errors import Overloaded
from llm_observatory.pipeline.admission import RESERVE_DIVISOR, Admission, Room, reserved_bytes

SIGNALS = ("traces", "metrics", "logs")
LIMIT = 80
RESERVE, SHARED = 10, 50


def soon() -> float:
    return asyncio.get_running_loop().time() + 0.05


def later() -> float:
    return asyncio.get_running_loop().time() + 10


async def turn() -> None:
    """Let everything that is ready run."""
    for _ in range(5):
        await asyncio.sleep(0)


def admission() -> Admission:
    made = Admission(LIMIT, SIGNALS)
    assert LIMIT // RESERVE_DIVISOR == RESERVE
    assert LIMIT - reserved_bytes(LIMIT, len(SIGNALS)) == SHARED
    return made


async def fill_shared(entrance: Admission, signal: str = "metrics") -> Room:
    """A room of the whole shared part."""
    room = await entrance.acquire(signal, SHARED, soon())
    assert room.shared
    return room


async def test_lets_in_up_to_reserve_and_shared_part_and_refuses_beyond() -> None:
    entrance = admission()
    await fill_shared(entrance)
    await entrance.acquire("metrics", RESERVE, soon())
    with pytest.raises(Overloaded):
        await entrance.acquire("metrics", 1, soon())
    assert entrance.used == SHARED + RESERVE


async def test_what_fits_into_its_reserve_waits_for_nobody() -> None:
    entrance = admission()
    await fill_shared(entrance)
    waiting = [asyncio.create_task(entrance.acquire(signal, RESERVE + 1, later())) for signal in SIGNALS]
    await turn()
    for signal in SIGNALS:
        assert not (await entrance.acquire(signal, RESERVE, asyncio.get_running_loop().time())).shared
    assert not any(task.done() for task in waiting)
    for task in waiting:
        task.cancel()


async def test_the_shared_part_goes_to_who_waits_longest() -> None:
    entrance = admission()
    room = await fill_shared(entrance)
    order: list[str] = []

    async def wait(signal: str, size: int) -> Room:
        made = await entrance.acquire(signal, size, later())
        order.append(signal)
        return made

    large = asyncio.create_task(wait("logs", SHARED))
    await turn()
    small = asyncio.create_task(wait("traces", RESERVE + 1))
    await turn()
    room.resize(SHARED - RESERVE - 1)
    await turn()
    assert order == [], "there is room for the second but the first is first"
    room.release()
    (await large).release()
    await small
    assert order == ["logs", "traces"]


async def test_what_is_larger_than_the_shared_part_is_served_alone_in_it_and_in_its_turn() -> None:
    entrance = admission()
    before = await entrance.acquire("metrics", RESERVE + 1, soon())
    giant = asyncio.create_task(entrance.acquire("logs", 10 * LIMIT, later()))
    await turn()
    behind = asyncio.create_task(entrance.acquire("traces", RESERVE + 1, later()))
    await turn()
    assert (await entrance.acquire("logs", 1, soon())).shared is False
    assert not giant.done()
    before.release()
    room = await giant
    await turn()
    assert not behind.done()
    for signal in SIGNALS:
        assert not (await entrance.acquire(signal, RESERVE - 1, soon())).shared
    room.release()
    await behind


async def test_who_waits_is_let_into_the_reserve_of_its_signal_when_there_is_room() -> None:
    entrance = admission()
    await fill_shared(entrance)
    room = await entrance.acquire("traces", RESERVE, soon())
    large = asyncio.create_task(entrance.acquire("traces", RESERVE + 1, later()))
    await turn()
    small = asyncio.create_task(entrance.acquire("traces", RESERVE, later()))
    other = asyncio.create_task(entrance.acquire("logs", RESERVE + 1, later()))
    await turn()
    room.release()
    assert not (await small).shared
    assert not large.done()
    assert not other.done()
    for task in (large, other):
        task.cancel()


async def test_a_waiter_that_leaves_frees_the_way_for_the_next() -> None:
    entrance = admission()
    await entrance.acquire("metrics", 20, soon())
    giant = asyncio.create_task(entrance.acquire("logs", 1_000, later()))
    await turn()
    small = asyncio.create_task(entrance.acquire("metrics", 20, later()))
    await turn()
    giant.cancel()
    await small
    assert entrance.used == 40
    with pytest.raises(asyncio.CancelledError):
        await giant


async def test_room_given_to_a_waiter_cancelled_in_the_same_moment_is_given_back() -> None:
    entrance = admission()
    room = await fill_shared(entrance)
    waiter = asyncio.create_task(entrance.acquire("logs", SHARED, later()))
    await turn()
    room.release()  # the waiter's future is resolved, the waiter has not run yet
    waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert entrance.used == 0


async def test_a_room_is_given_back_once() -> None:
    entrance = admission()
    room, other = await entrance.acquire("logs", 30, soon()), await entrance.acquire("logs", 20, soon())
    room.release()
    room.release()
    room.resize(40)
    assert entrance.used == 20
    other.release()
    assert entrance.used == 0


async def test_growing_may_pass_the_limit_and_holds_back_the_next() -> None:
    entrance = admission()
    room = await entrance.acquire("logs", 40, soon())
    room.resize(130)
    with pytest.raises(Overloaded):
        await entrance.acquire("metrics", RESERVE + 1, soon())
    room.resize(10)
    await entrance.acquire("metrics", 40, soon())


async def test_a_newcomer_passes_while_half_its_reserve_is_free_or_nobody_waits() -> None:
    entrance = admission()
    await entrance.acquire("traces", RESERVE, soon())
    assert not entrance.full("traces"), "there is shared room"
    room = await fill_shared(entrance)
    assert [entrance.full(signal) for signal in SIGNALS] == [True, False, False]
    with pytest.raises(Overloaded):
        await entrance.wait_for_room("traces", soon())
    await entrance.wait_for_room("logs", asyncio.get_running_loop().time())
    await entrance.acquire("logs", RESERVE // 2 + 1, soon())
    newcomers = [asyncio.create_task(entrance.wait_for_room(signal, later())) for signal in ("traces", "logs", "traces")]
    await turn()
    assert not any(task.done() for task in newcomers)
    room.resize(SHARED - 1)
    await asyncio.gather(*newcomers)
    assert entrance.used == SHARED - 1 + RESERVE + RESERVE // 2 + 1, "nothing is counted of them"


async def test_a_newcomer_is_let_in_by_its_reserve_past_all_who_wait() -> None:
    entrance = admission()
    await fill_shared(entrance)
    room = await entrance.acquire("traces", RESERVE, soon())
    giant = asyncio.create_task(entrance.acquire("logs", 1_000, later()))
    newcomers = [asyncio.create_task(entrance.wait_for_room("traces", later())) for _ in range(3)]
    await turn()
    room.resize(RESERVE // 2 + 1)
    await turn()
    assert not any(task.done() for task in newcomers)
    room.resize(RESERVE // 2)
    await asyncio.gather(*newcomers)
    assert not giant.done()
    giant.cancel()


class Crowd:
    """Requests of all signals and sizes that come, stay and leave at random; checks the bounds at every step."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.entrance = admission()
        self.inside: dict[Room, tuple[str, int]] = {}
        self.came: list[int] = []
        self.shared_order: list[int] = []
        self.served: set[int] = set()

    async def one(self, number: int) -> None:
        signal, size = self.random.choice(SIGNALS), self.random.choice((1, 3, 9, 11, 25, 49, 51, 500))
        for _ in range(self.random.randrange(30)):
            await asyncio.sleep(0)
        self.came.append(number)
        room = await self.entrance.acquire(signal, size, later())
        try:
            self.inside[room] = (signal, size)
            self.served.add(number)
            if room.shared:
                self.shared_order.append(number)
            self.check()
            for _ in range(self.random.randrange(5)):
                await asyncio.sleep(0)
            if self.random.random() < 0.5:
                size = self.random.randrange(size)
                self.inside[room] = (signal, size)
                room.resize(size)
        finally:
            del self.inside[room]
            room.release()

    def check(self) -> None:
        shared = [size for room, (_, size) in self.inside.items() if room.shared]
        assert sum(shared) <= SHARED or len([size for size in shared if size > 0]) == 1
        for signal in SIGNALS:
            assert sum(size for room, (of, size) in self.inside.items() if of == signal and not room.shared) <= RESERVE


@pytest.mark.parametrize("seed", range(20))
async def test_bounds_and_order_hold_for_any_crowd_and_all_are_served(seed: int) -> None:
    crowd = Crowd(seed)
    tasks = [asyncio.create_task(crowd.one(number)) for number in range(150)]
    leaving = set(crowd.random.sample(range(150), 30))
    for _ in range(20):
        await asyncio.sleep(0)
    for number in leaving:
        tasks[number].cancel()
    async with asyncio.timeout(10):
        await asyncio.gather(*tasks, return_exceptions=True)
    assert crowd.entrance.used == 0
    assert crowd.served | leaving == set(range(150)), "somebody starved"
    place = {number: index for index, number in enumerate(crowd.came)}
    order = [place[number] for number in crowd.shared_order]
    assert order == sorted(order), "the shared part is first come, first served"
