"""Signals, handled here and nowhere else: the first SIGTERM or SIGINT stops in order, the second ends at once."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import structlog

log = structlog.get_logger(__name__)

HARD_EXIT = 1


@contextmanager
def early() -> Iterator[None]:
    """SIGTERM and SIGINT end the process well while it still loads, SIGHUP does nothing: what it would reload is being read.

    The first process of a container has no default that would end it.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGINT)}
    before[signal.SIGHUP] = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def unwinding() -> Iterator[None]:
    """SIGTERM ends a verb as Ctrl-C does, with the status that a shell has for it: what it began is taken away."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def handled(stop: asyncio.Event, reload: Callable[[], None]) -> Iterator[None]:
    """Set `stop` on SIGTERM and SIGINT, call `reload` on SIGHUP, while the block runs."""
    loop = asyncio.get_running_loop()

    def end(number: signal.Signals) -> None:
        if stop.is_set():
            log.error("second signal: ending at once", signal=number.name)
            os._exit(HARD_EXIT)
        log.info("stopping", signal=number.name)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end, number)
    loop.add_signal_handler(signal.SIGHUP, reload)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)
