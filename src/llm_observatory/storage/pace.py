"""Long loops leave the event loop to others in between: answers to questions share it with acknowledgements.

A range of 200,000 histograms is seconds of work, and nothing is acknowledged while the loop is at it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterable
from typing import TypeVar

T = TypeVar("T")

TURN_SECONDS = 0.002


async def paced(values: Iterable[T]) -> AsyncIterator[T]:
    """`values` one after the other; whoever else waits has a turn after every two milliseconds of work on them."""
    until = time.monotonic() + TURN_SECONDS
    for value in values:
        if time.monotonic() > until:
            await asyncio.sleep(0)
            until = time.monotonic() + TURN_SECONDS
        yield value
