"""paced: all values in their order, and turns for others where they take long."""

from __future__ import annotations

import asyncio
import time

from llm_observatory.storage.pace import TURN_SECONDS, paced


async def test_others_have_a_turn_after_each_piece_of_work() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    seen = []
    async for value in paced(range(20)):
        time.sleep(TURN_SECONDS)  # noqa: ASYNC251  # work that does not give way
        seen.append(value)
    task.cancel()
    assert seen == list(range(20))
    assert turns >= 18


async def test_little_work_is_done_in_one_go() -> None:
    turn = asyncio.Event()
    asyncio.get_running_loop().call_soon(turn.set)
    assert [value async for value in paced("ab")] == ["a", "b"]
    assert not turn.is_set()
