"""How late the event loop wakes a timer: above 50 ms something blocks it, and grpcio begins to refuse by itself."""

from __future__ import annotations

import asyncio
import time

from llm_observatory import metrics

INTERVAL_SECONDS = 0.1


async def watch_loop_lag(interval: float = INTERVAL_SECONDS) -> None:
    """Observe `event_loop_lag_seconds` until cancelled."""
    while True:
        began = time.perf_counter()
        await asyncio.sleep(interval)
        metrics.LOOP_LAG.observe(max(0.0, time.perf_counter() - began - interval))
