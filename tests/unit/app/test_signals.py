"""Signals that come before the event loop takes them."""

from __future__ import annotations

import contextlib
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


def test_a_verb_that_is_ended_unwinds_with_the_status_of_a_shell() -> None:
    before = signal.getsignal(signal.SIGTERM)
    unwound: list[bool] = []
    with contextlib.ExitStack() as stack:
        stack.enter_context(pytest.raises(SystemExit, match="143"))
        stack.enter_context(signals.unwinding())
        stack.callback(unwound.append, True)
        os.kill(os.getpid(), signal.SIGTERM)
    assert unwound == [True]
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_reload_while_the_process_loads_does_not_end_it() -> None:
    with signals.early():
        os.kill(os.getpid(), signal.SIGHUP)
