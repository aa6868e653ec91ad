"""Generated requests through every entry of a service, with nothing lost and nothing bent: `python -m tests.generated`.

Starts a service on a fresh embedded database, sends from several connections at once what `tests/plugins/traffic.py` makes
of the seed, reads all of PostgreSQL back, and compares it with what was acknowledged. Exit status 1 when anything is amiss.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from llm_observatory.codec import digest
from tests.plugins.roads import ROADS
from tests.plugins.service import Service
from tests.plugins.traffic import KINDS, Account, Request, drive, generated, settle

CONNECTIONS = 3
"""Of each road."""
PROGRESS_SECONDS = 5
FAULTS_SHOWN = 20


class Requests:
    """What is left to send on a road, taken by several threads: each request once, none with the bytes of another."""

    def __init__(self, seed: int, numbers: range, takes: str, seen: set[bytes]) -> None:
        self._seed, self._takes, self._seen = seed, takes, seen
        self._ns = time.time_ns()
        self._numbers = iter(numbers)
        self._lock = threading.Lock()
        self.made: Counter[str] = Counter()

    def __iter__(self) -> Iterator[Request]:
        while True:
            with self._lock:
                number = next(self._numbers, None)
            if number is None:
                return
            yield self._one(number)

    def _one(self, number: int) -> Request:
        for draw in itertools.count():
            request = generated(self._seed, number, self._takes, self._ns, draw)
            known = digest(request.signal, "default", request.body)
            with self._lock:
                if known not in self._seen:  # else a retry, which is stored once
                    self._seen.add(known)
                    self.made[f"{KINDS[number % len(KINDS)]} {request.signal}"] += 1
                    return request
        raise AssertionError


def run(service: Service, roads: list[str], number: int, seed: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Send `number` requests on each road to a started service; what was seen, with all faults."""
    account, seen, began = Account(), set[bytes](), time.monotonic()
    left = {
        name: Requests(seed, range(place * number, (place + 1) * number), ROADS[name].takes, seen)
        for place, name in enumerate(roads)
    }
    done = threading.Event()

    def watch() -> None:
        while not done.wait(PROGRESS_SECONDS):
            say(f"{account.answers.total()} of {number * len(roads)} requests, {len(account.faults)} faults")

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        drive(service, [(ROADS[name], left[name]) for name in roads for _ in range(CONNECTIONS)], account)
        seconds = time.monotonic() - began
        say(f"{account.answers.total()} requests in {seconds:.0f} s; reading everything back")
        if service.process.poll() is not None:
            account.faults.append(f"the service ended with status {service.process.returncode}")
        else:
            settle(service, account)
    finally:
        done.set()
        watching.join()
    return {
        "seed": seed,
        "requests": dict(sorted(sum((requests.made for requests in left.values()), Counter[str]()).items())),
        "answers": dict(sorted(account.answers.items())),
        "retries": account.retries,
        "stored": {signal: records.total() for signal, records in account.records.items()},
        "rejected": dict(sum((rules["rejected"] for rules in account.rules.values()), Counter[str]())),
        "repaired": dict(sum((rules["repaired"] for rules in account.rules.values()), Counter[str]())),
        "odd": dict(sum((rules["odd"] for rules in account.rules.values()), Counter[str]())),
        "seconds": round(time.monotonic() - began, 1),
        "faults": account.faults,
    }


def main(arguments: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.generated", description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000, help="on each road")
    parser.add_argument("--road", choices=(*ROADS, "all"), default="all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="the summary as JSON on stdout")
    given = parser.parse_args(arguments)
    roads = list(ROADS) if given.road == "all" else [given.road]
    with TemporaryDirectory(prefix="observatory-") as name:
        Path(name).chmod(0o711)  # run by root the embedded server belongs to another account
        service = Service(Path(name))
        try:
            found = run(service.start(), roads, given.requests, given.seed, lambda line: print(line, file=sys.stderr))  # noqa: T201
        finally:
            service.stop()
    print(json.dumps(found) if given.json else "\n".join(_lines(found)))  # noqa: T201
    return 1 if found["faults"] else 0


def _lines(found: dict[str, Any]) -> Iterator[str]:
    for name, value in found.items():
        if name != "faults":
            yield f"{name:9} {json.dumps(value)}"
    yield f"{len(found['faults'])} faults"
    yield from itertools.islice(found["faults"], FAULTS_SHOWN)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
