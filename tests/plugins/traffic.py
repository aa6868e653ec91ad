"""Requests on their way into a running service, and the account that must be even afterwards.

What was acknowledged is stored exactly as the model says, what was not is not, and every rule was counted and told.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from llm_observatory.codec import Terms
from tests.plugins.corpus import CORPUS, Case
from tests.plugins.good_requests import NUMBERS, good_request
from tests.plugins.hostile_wire import Path, Splice, Style, write
from tests.plugins.normal_form import Expected, envelopes_in, envelopes_of, predict
from tests.plugins.otlp_json import Style as JsonStyle
from tests.plugins.otlp_json import to_json
from tests.plugins.otlp_messages import REQUESTS, Builder, Random
from tests.plugins.read_back import Reader
from tests.plugins.roads import Answer, Road
from tests.plugins.round_trip import WHOLE
from tests.plugins.service import Service

TENANT = "default"
DAY_US = 86_400_000_000
TERMS = Terms(max_age_us=89 * DAY_US, max_ahead_us=DAY_US, content_max_bytes=1024**2)
"""Those of a service without settings."""

TRIES = 20
"""Of a request that is answered UNAVAILABLE, a second apart: less than any client has patience for."""

MESSAGE_SHOWS = 1000
"""Characters of an answer's message within which every rule must be named; longer ones are cut."""


class Request(NamedTuple):
    """One request as bytes. `foretell` says what becomes of it, received at so many microseconds; None: it is no request."""

    signal: str
    label: str
    body: bytes
    foretell: Callable[[int], Expected | None]


RULE_COUNTERS = {
    "rejected": "otlp_records_rejected_total",
    "repaired": "otlp_values_repaired_total",
    "odd": "otlp_records_odd_total",
}


@dataclass
class Account:
    """What went in. `faults` are answers that are wrong, `records` what must be stored by signal."""

    terms: Terms = TERMS
    records: dict[str, Counter[str]] = field(default_factory=lambda: {signal: Counter() for signal in REQUESTS})
    rules: dict[str, dict[str, Counter[str]]] = field(
        default_factory=lambda: {signal: {kind: Counter() for kind in RULE_COUNTERS} for signal in REQUESTS}
    )
    answers: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    retries: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()

    def exchange(self, road: Road, request: Request) -> None:
        """Send it and enter what must come of it."""
        expected = request.foretell(time.time_ns() // 1000)
        answer = road.send(request.signal, request.body)
        tries = 1
        while answer.code == "UNAVAILABLE" and tries < TRIES:
            time.sleep(1)
            answer = road.send(request.signal, request.body)
            tries += 1
        with self._lock:
            self.retries += tries - 1
            self.answers[f"{road.name} {answer.code}"] += 1
            fault = wrong(answer, expected)
            if fault:
                self.faults.append(f"{road.name} {request.signal} {request.label}: {fault}")
            if expected is not None and answer.ok:
                self.records[request.signal] += expected.records
                for kind in RULE_COUNTERS:
                    self.rules[request.signal][kind] += getattr(expected, kind)


def wrong(answer: Answer, expected: Expected | None) -> str:
    """What of an answer is not as it must be."""
    if expected is None:
        return "" if answer.code == "INVALID_ARGUMENT" and answer.message else f"taken: {answer}"
    if not answer.ok:
        return f"refused: {answer}"
    if answer.rejected != expected.rejected.total():
        return f"{expected.rejected} was told as {answer}"
    unnamed = [rule for rule in expected.rejected if rule not in answer.message and len(answer.message) < MESSAGE_SHOWS]
    return f"{unnamed} not named in {answer}" if unnamed else ""


def counted(service: Service) -> dict[str, dict[str, Counter[str]]]:
    """The counters of rules, by signal and what the rule does."""
    found: dict[str, dict[str, Counter[str]]] = {signal: {kind: Counter() for kind in RULE_COUNTERS} for signal in REQUESTS}
    for line in service.get("/metrics")[1].decode().splitlines():
        for kind, name in RULE_COUNTERS.items():
            if line.startswith(name + "{"):
                labels = dict(pair.split("=") for pair in line[len(name) + 1 : line.index("}")].split(","))
                signal, rule = (labels[label].strip('"') for label in ("signal", "rule"))
                found[signal][kind][rule] += int(float(line.rsplit(" ", 1)[1]))
    return found


def stored(database: str, signal: str) -> Counter[str]:
    """All records of a signal in a database, in their normal form."""
    reader = Reader(database)
    try:
        again = predict(envelopes_in(signal, reader.decoded(signal, TENANT)), time.time_ns() // 1000, WHOLE)
    finally:
        reader.close()
    assert not again.rejected
    assert not again.repaired
    return again.records


def settle(service: Service, account: Account) -> None:
    """Enter as faults what is lost, what nobody sent, and what was not counted."""
    for signal, expected in account.records.items():
        found = stored(service.dsn(), signal)
        for what, records in (("lost", expected - found), ("never sent", found - expected)):
            account.faults += [f"{signal}, {times} times {what}: {record[:2000]}" for record, times in records.items()]
    if not account.retries:  # what is encoded again may count again
        for signal, kinds in counted(service).items():
            for kind, rules in kinds.items():
                if rules != account.rules[signal][kind]:
                    account.faults.append(f"{signal}, {kind}: counted {rules}, not {account.rules[signal][kind]}")


def drive(service: Service, roads: Iterable[tuple[Callable[[Service], Road], Iterable[Request]]], account: Account) -> None:
    """Each road with its requests, all at once. An exception of a road is the caller's."""

    def run(make: Callable[[Service], Road], requests: Iterable[Request]) -> None:
        road = make(service)
        try:
            for request in requests:
                account.exchange(road, request)
        finally:
            road.close()

    given = list(roads)
    with ThreadPoolExecutor(len(given)) as pool:
        for done in [pool.submit(run, *one) for one in given]:
            done.result()


# Requests


def of_case(case: Case, takes: str, first: int, ns: int, terms: Terms = TERMS) -> Request:
    """A case of the corpus."""
    body = case.payload(first, ns) if takes == "protobuf" else to_json(case.request(first, ns))
    return Request(case.signal, str(case), body, lambda now: case.expected(now, terms, first, ns))


def _of_message(label: str, signal: str, message: Any, body: bytes, groups: int = 0) -> Request:
    return Request(signal, label, body, lambda now: predict(envelopes_of(message), now, TERMS, groups))


KINDS = ("ordinary", "odd", "hostile", "several")
SMALL = tuple(case for case in CORPUS if not case.spoiled.large)
SAYABLE = tuple(case for case in SMALL if not case.spoiled.not_json)
TOGETHER = tuple(case for case in SMALL if case.may_be_with_others)
IDS_APART = 10_000


def generated(seed: int, number: int, takes: str, ns: int, draw: int = 0) -> Request:
    """Request `number` of those that come of a seed: ordinary, odd, one case of the corpus, or several in one.

    `draw` asks for another one in its place.
    """
    source = random.Random(f"{seed} {number} {takes} {draw}")
    kind = KINDS[number % len(KINDS)]
    style = Style(*(source.random() < 0.2 for _ in range(3)))
    if kind == "hostile":
        return of_case(source.choice(SMALL if takes == "protobuf" else SAYABLE), takes, number * NUMBERS, ns)
    splices: dict[Path, Splice] = {}
    if kind == "several":
        some = source.choice(TOGETHER)
        signal, message = some.signal, good_request(some.signal, some.kind, number * NUMBERS, ns)
        fitting = FITTING[some.signal, some.kind, takes]
        for case in [source.choice(fitting) for _ in range(source.randint(2, 6))]:
            case.spoil(message, ns)
            if case.spoiled.splice is not None:
                splices[case.path[:-1]] = case.spoiled.splice
    else:
        signal = source.choice(tuple(REQUESTS))
        builder = Builder(Random(source), strange=kind == "odd", ids_from=number * IDS_APART, ns=ns)
        message = builder.fill(REQUESTS[signal]())
    if takes == "json":
        json_style = JsonStyle(*(source.random() < 0.2 for _ in JsonStyle._fields))
        return _of_message(f"{kind} {number}", signal, message, to_json(message, json_style))
    return _of_message(f"{kind} {number}", signal, message, write(message, style, splices), style.groups)


FITTING = {
    (signal, kind, takes): [
        case
        for case in TOGETHER
        if (case.signal, case.kind) == (signal, kind) and (takes == "protobuf" or not case.spoiled.not_json)
    ]
    for signal, kind in {(case.signal, case.kind) for case in TOGETHER}
    for takes in ("protobuf", "json")
}
"""What may stand together in one request."""
