"""Waiting for a state of the process under test, with a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], bool], within: float = 10.0) -> None:
    """Let everybody else run until `condition` holds. Raises TimeoutError."""
    async with asyncio.timeout(within):
        while not condition():  # noqa: ASYNC110 - the state belongs to the process under test, which sets no event
            await asyncio.sleep(0.002)
