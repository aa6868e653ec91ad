"""The corpus and generated requests through every entry of a running service, from several connections at once.

`HOSTILE_CASES=all` takes all cases. `python -m tests.generated --requests 10000` sends so many generated requests by each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests import generated
from tests.plugins.corpus import ALL, CORPUS, Case, sample
from tests.plugins.good_requests import NUMBERS
from tests.plugins.roads import ROADS
from tests.plugins.service import Service
from tests.plugins.traffic import TERMS, Account, Request, drive, of_case, settle

STEP = 60
"""Of the cases that a road can say every so manieth."""
CONNECTIONS = 2
GENERATED = 150
"""On each road."""

pytestmark = pytest.mark.timeout(0 if ALL else 120)


def cases_for(takes: str) -> list[Case]:
    """What JSON cannot say has its reason in the corpus."""
    return sample((case for case in CORPUS if takes == "protobuf" or not case.spoiled.not_json), STEP)


def test_every_case_on_every_road(service: Service) -> None:
    account, ns = Account(), time.time_ns()
    first = iter(range(0, 10**9, NUMBERS))

    def requests(takes: str, cases: list[Case]) -> Iterator[Request]:
        return (of_case(case, takes, number, ns) for case, number in [(case, next(first)) for case in cases])

    drive(
        service,
        [
            (road, requests(road.takes, cases_for(road.takes)[connection::CONNECTIONS]))
            for road in ROADS.values()
            for connection in range(CONNECTIONS)
        ],
        account,
    )
    settle(service, account)
    assert not account.faults
    assert account.answers.keys() >= {f"{name} OK" for name in ROADS}
    assert sum(account.answers.values()) == sum(len(cases_for(road.takes)) for road in ROADS.values())
    assert all(records.total() > 100 for records in account.records.values())


def test_generated_requests_on_every_road(service: Service) -> None:
    found = generated.run(service, list(ROADS), GENERATED, 7, lambda _line: None)
    assert not found["faults"]
    assert sum(found["answers"].values()) == GENERATED * len(ROADS)
    assert len(found["requests"]) == 12, "four kinds of each signal"


def test_with_accept_max_age_off_old_times_are_stored(new_service: Callable[..., Service]) -> None:
    """Public examples of OTLP carry times of 2018; from 1970 on all is taken, and kept if RETENTION says so."""
    service = new_service(ACCEPT_MAX_AGE="off", RETENTION="36500d", CONTENT_RETENTION="36500d").start()
    terms = TERMS._replace(max_age_us=None)
    account = Account()
    years = (1_544_712_660_300_000_000, 86_400_000_000_000)
    places = ("spans.start_time_unix_nano", "log_records.time_unix_nano", "data_points.time_unix_nano", "spans.name", "body")
    cases = [case for case in CORPUS if ".".join(case.path).endswith(places) and case.spoiled.label in ("1", "NUL", "20 maps")]
    made = [
        of_case(case, ROADS[name].takes, number * NUMBERS, ns, terms)
        for number, (case, ns, name) in enumerate((case, ns, name) for case in cases for ns in years for name in ROADS)
    ]
    drive(service, [(ROADS[name], made[place :: len(ROADS)]) for place, name in enumerate(ROADS)], account)
    settle(service, account)
    assert not account.faults
    assert not any(rules["rejected"] for rules in account.rules.values())
    ((oldest, youngest),) = service.query("SELECT min(timestamp)::date::text, max(timestamp)::date::text FROM llm_traces")
    assert (oldest, youngest) == ("1970-01-01", "2018-12-13")
