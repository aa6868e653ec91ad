"""Files that are read again when they change."""

from __future__ import annotations

from pathlib import Path

import pytest

from llm_observatory.errors import ConfigError
from llm_observatory.serving.watched import LOOK_SECONDS, Watched


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_text("1")
    return file


def _read(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):
        raise ConfigError(["no number"]) from None


def test_a_change_holds_from_the_next_look_on(file: Path) -> None:
    clock = Clock()
    watched = Watched([file], lambda: _read(file), clock=clock)
    file.write_text("22")
    assert watched.value == 1
    clock.now += LOOK_SECONDS
    assert watched.value == 22


def test_what_is_faulty_is_left_until_it_changes_again(file: Path) -> None:
    clock = Clock()
    asked: list[int] = []

    def read() -> int:
        asked.append(1)
        return _read(file)

    watched = Watched([file], read, clock=clock)
    file.write_text("none")
    for _ in range(3):
        clock.now += LOOK_SECONDS
        assert watched.value == 1
    assert len(asked) == 2
    file.unlink()
    clock.now += LOOK_SECONDS
    assert watched.value == 1
    file.write_text("333")
    clock.now += LOOK_SECONDS
    assert watched.value == 333


def test_a_link_that_is_turned_is_a_change(tmp_path: Path, file: Path) -> None:
    clock = Clock()
    other, link = tmp_path / "other", tmp_path / "link"
    other.write_text("2")
    link.symlink_to(file)
    watched = Watched([link], lambda: _read(link), clock=clock)
    (tmp_path / "next").symlink_to(other)
    (tmp_path / "next").replace(link)
    clock.now += LOOK_SECONDS
    assert watched.value == 2


def test_the_start_must_be_right(file: Path) -> None:
    file.write_text("none")
    with pytest.raises(ConfigError):
        Watched([file], lambda: _read(file))
