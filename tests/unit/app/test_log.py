"""The log as a person on a terminal and as a collector of JSON lines get it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from llm_observatory.app import log

CANARY = "hunter2-canary"


class Stream(io.StringIO):
    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self._terminal = terminal

    def isatty(self) -> bool:
        return self._terminal


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.reset_defaults()


def connect(password: str) -> None:
    url = f"postgresql://u:{password}@h/d"
    raise ConnectionError(f"no route for a URL of {len(url)} characters")


@pytest.mark.parametrize("terminal", [False, True], ids=["json", "terminal"])
@pytest.mark.parametrize("library", [False, True], ids=["ours", "a library's"])
def test_a_traceback_shows_no_local_variable(terminal: bool, library: bool) -> None:
    stream = Stream(terminal=terminal)
    log.configure("info", stream)
    try:
        connect(CANARY)
    except ConnectionError:
        (logging.getLogger("library") if library else structlog.get_logger("ours")).exception("the start failed")
    written = stream.getvalue()
    assert "the start failed" in written
    assert "Traceback (most recent call last)" in written
    assert "ConnectionError: no route for a URL of" in written
    assert CANARY not in written


def test_json_is_one_line_an_event() -> None:
    stream = Stream(terminal=False)
    log.configure("info", stream)
    structlog.get_logger("ours").info("ready", port=4317)
    logging.getLogger("library").warning("careful, %s", "now")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["event"], first["level"], first["logger"], first["port"]) == ("ready", "info", "ours", 4317)
    assert (second["event"], second["level"], second["logger"]) == ("careful, now", "warning", "library")


def test_the_level_can_change() -> None:
    stream = Stream(terminal=True)
    log.configure("warning", stream)
    structlog.get_logger("ours").info("unheard")
    log.set_level("debug")
    structlog.get_logger("ours").debug("heard")
    assert "unheard" not in stream.getvalue()
    assert "heard" in stream.getvalue()
