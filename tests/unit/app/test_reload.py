"""SIGHUP applies what can change live, names the rest, and survives a faulty file."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from llm_observatory.app.reload import Reload
from llm_observatory.errors import ConfigError
from llm_observatory.settings import Settings


class Part:
    def __init__(self) -> None:
        self.settings: Settings | None = None

    def reload(self, settings: Settings) -> None:
        self.settings = settings


@pytest.fixture(autouse=True)
def level() -> Iterator[None]:
    root = logging.getLogger()
    before = root.level
    yield
    root.setLevel(before)


def reloaded(load: Callable[[], Settings]) -> tuple[Reload, Part, list[dict[str, object]]]:
    part = Part()
    reload = Reload(Settings(), part, load=load)
    with capture_logs() as events:
        reload.now()
    return reload, part, [dict(event) for event in events]


def test_live_settings_are_applied_and_others_named() -> None:
    reload, part, (event,) = reloaded(lambda: Settings(log_level="debug", retention=timedelta(days=10), batch_size=5))
    assert logging.getLogger().level == logging.DEBUG
    assert part.settings is reload.settings
    assert reload.settings.retention == timedelta(days=10)
    assert reload.settings.accept_max_age == timedelta(days=9)
    assert reload.settings.batch_size == Settings().batch_size
    assert event["after_restart"] == ["BATCH_SIZE"]
    assert "RETENTION" in str(event["applied"])


def test_a_faulty_file_changes_nothing() -> None:
    def load() -> Settings:
        raise ConfigError(["RETENTION: no"])

    reload, part, (event,) = reloaded(load)
    assert reload.settings == Settings()
    assert part.settings is None
    assert event["faults"] == ["RETENTION: no"]
