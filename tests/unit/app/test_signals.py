"""Signals that come before the event loop takes them."""

from __future__ import annotations

import os
import signal

import pytest

from llm_observatory.app import signals

ALL = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_while_the_process_loads_is_an_ordinary_end(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in ALL]
    with pytest.raises(SystemExit) as caught, signals.early():
        os.kill(os.getpid(), number)
    assert caught.value.code == 0
    assert [signal.getsignal(each) for each in ALL] == before


def test_a_reload_while_the_process_loads_does_not_end_it() -> None:
    with signals.early():
        os.kill(os.getpid(), signal.SIGHUP)
