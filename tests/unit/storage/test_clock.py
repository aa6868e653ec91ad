"""How far a clock that may be set wrong is believed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from llm_observatory.storage.clock import AWAY_SECONDS, DOUBT_SECONDS, JUMP_SECONDS, Clock

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Monotonic:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def monotonic() -> Monotonic:
    return Monotonic()


@pytest.fixture
def clock(monotonic: Monotonic) -> Clock:
    clock = Clock(monotonic)
    assert not clock.look(NOON)
    return clock


@pytest.mark.parametrize("gained", [timedelta(days=-400), timedelta(0), timedelta(seconds=JUMP_SECONDS)])
def test_a_clock_that_goes_or_was_set_back_is_believed(clock: Clock, monotonic: Monotonic, gained: timedelta) -> None:
    monotonic.now += 60
    told = NOON + MINUTE + gained
    assert not clock.look(told)
    assert not clock.doubtful
    assert clock.believed(told) == told


def test_one_that_jumped_ahead_is_believed_an_hour_later(clock: Clock, monotonic: Monotonic) -> None:
    """Until then time goes on from before the jump; a second jump does not make the first one true."""
    ahead = NOON + timedelta(days=400)
    monotonic.now += 60
    assert clock.look(ahead)
    assert clock.believed(ahead) == NOON + MINUTE
    monotonic.now += 60
    assert clock.look(ahead + timedelta(days=400))
    assert clock.believed(ahead) == NOON + 2 * MINUTE
    monotonic.now += DOUBT_SECONDS - 1
    assert clock.doubtful
    monotonic.now += 1
    assert not clock.doubtful
    assert clock.believed(ahead) == ahead


def test_one_that_is_set_right_again_is_not_overtaken(clock: Clock, monotonic: Monotonic) -> None:
    monotonic.now += 60
    assert clock.look(NOON + timedelta(days=400))
    monotonic.now += 60
    assert not clock.look(NOON + MINUTE)
    assert clock.believed(NOON + MINUTE) == NOON + MINUTE


@pytest.mark.parametrize("known", [None, NOON + timedelta(days=900), NOON, NOON - timedelta(seconds=AWAY_SECONDS)])
def test_the_first_look_is_believed_where_nothing_contradicts(monotonic: Monotonic, known: datetime | None) -> None:
    clock = Clock(monotonic)
    assert not clock.seen
    assert not clock.look(NOON, known)
    assert clock.seen
    assert (clock.doubtful, clock.believed(NOON)) == (False, NOON)


def test_the_first_look_is_doubted_where_it_is_far_from_what_was_known(monotonic: Monotonic) -> None:
    """An hour later it is believed: nobody had worked for days. Meanwhile time goes on from there."""
    clock, ahead = Clock(monotonic), NOON + timedelta(days=400)
    assert clock.look(ahead, NOON)
    monotonic.now += 60
    assert not clock.look(ahead + MINUTE, NOON)
    assert clock.doubtful
    assert clock.believed(ahead + MINUTE) == NOON + MINUTE
    monotonic.now += DOUBT_SECONDS - 60
    assert not clock.doubtful
