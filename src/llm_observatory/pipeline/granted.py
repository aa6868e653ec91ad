"""Waiting for something that is handed over in turn, and has to be given back: room, a slot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

from llm_observatory.errors import Overloaded


class Released(Protocol):
    """What is handed over."""

    def release(self) -> None:
        """Give it back."""
        ...


R = TypeVar("R", bound=Released)


async def granted(future: asyncio.Future[R], until: float, leave: Callable[[], None]) -> R:
    """What `future` hands over, by the loop time `until`. Who goes without it calls `leave`, and stands in line no more.

    It may be handed over in the very moment in which the time is over or the caller is cancelled: it is the caller's then, or
    given back. Raises Overloaded, and what the future fails with.
    """
    try:
        async with asyncio.timeout_at(until):
            return await future
    except TimeoutError:
        leave()
        if _holds(future):
            return future.result()
        raise Overloaded from None
    except asyncio.CancelledError:
        leave()
        if _holds(future):
            future.result().release()
        raise


def _holds(future: asyncio.Future[R]) -> bool:
    return future.done() and not future.cancelled() and future.exception() is None
