"""Questions beside ingest: what each of both loses to the other, in turns of one run.

Ingest is a process of its own, and so is the client that sends; questions are answered in this one. Half load is half of what
this machine takes in without pause. Both keep to their pace whatever comes of it, and a question waits from when it was due.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from random import Random
from statistics import median
from typing import Any

import grpc

from llm_observatory.operate.bench.ingest.database import url
from llm_observatory.operate.bench.ingest.load import Load, LoadTurn
from llm_observatory.operate.bench.ingest.process import LaneFailed, Process
from llm_observatory.operate.bench.ingest.samples import Outcome, quantile
from llm_observatory.operate.bench.ingest.service import ServiceProcess
from llm_observatory.operate.bench.query.asking import answered, methods
from llm_observatory.operate.bench.query.database import Say
from llm_observatory.operate.bench.query.questions import SERVICE_AND_HOUR, TRACE_BY_ID, Known, Question
from llm_observatory.operate.bench.report import Measurement

ASKED_A_SECOND: Mapping[Question, int] = {TRACE_BY_ID: 40, SERVICE_AND_HOUR: 10}
DATA_SET, ITEMS, CONNECTIONS = "spans-0.5k", 512, 16
ROUNDS = 3
"""How often each has a turn alone, and both one together."""

KEPT, SLOWER = 0.85, 2.0
"""The bars: of the rate of ingest at least that, of the 95th percentile of questions at most so many times."""


@dataclass(slots=True)
class _Taken:
    """What some turns came to: spans a second, seconds to the acknowledgement, milliseconds to the answer by question."""

    rates: list[float] = field(default_factory=list)
    acknowledged: list[float] = field(default_factory=list)
    answers: dict[str, list[float]] = field(default_factory=dict)

    def ingested(self, outcome: Outcome) -> None:
        """One more turn of ingest."""
        self.rates.append(outcome.rate)
        self.acknowledged += outcome.latencies

    def p95(self, question: Question) -> float:
        """Of all turns."""
        return quantile(self.answers[question.name], 0.95)


async def measure(
    channel: grpc.aio.Channel, conninfo: str, of: Known, random: Random, seconds: float, seed: int, say: Say
) -> AsyncIterator[Measurement]:
    """Turns of `seconds`. The rows that are sent stay in the database at `conninfo`. Raises NoAnswer, LaneFailed."""
    alone, both = _Taken(), _Taken()
    with ExitStack() as stack:
        service = stack.enter_context(ServiceProcess(url(conninfo)))
        client = Process("client", Load, DATA_SET, seed)
        stack.callback(client.end)
        full = LoadTurn("grpc", service.grpc_port, (ITEMS,), CONNECTIONS, CONNECTIONS, seconds, 0)
        client.prepare(full)
        client.start()
        rate = (await asyncio.to_thread(client.outcome)).rate
        if not rate:
            raise LaneFailed("ingest: nothing was acknowledged; give --beside-ingest more seconds")
        say(f"ingest without pause: {rate:,.0f} spans/s")
        half = replace(full, rate=rate / 2 / ITEMS, expected=int(rate / 2 / ITEMS * seconds) + 1)
        for number in range(1, ROUNDS + 1):
            say(f"ingest at half load, questions, and both, {number} of {ROUNDS}")
            client.prepare(half)
            client.start()
            alone.ingested(await asyncio.to_thread(client.outcome))
            await _ask(methods(channel), of, random, seconds, alone)
            client.prepare(half)
            client.start()
            await _ask(methods(channel), of, random, seconds, both)
            both.ingested(await asyncio.to_thread(client.outcome))
    for one in _compared(alone, both):
        yield one


def _compared(alone: _Taken, both: _Taken) -> list[Measurement]:
    before, after = median(alone.rates), median(both.rates)
    found = [
        Measurement("ingest at half load, alone", before, "spans/s", "higher"),
        Measurement("ingest at half load, beside questions", after, "spans/s", "higher"),
        Measurement("ingest at half load, beside questions to alone", after / before, "x", "higher", KEPT),
    ]
    for said, taken in (("alone", alone), ("beside questions", both)):
        milliseconds = 1000 * quantile(taken.acknowledged, 0.95)
        found.append(Measurement(f"acknowledgement, {said}: p95", milliseconds, "ms", "lower"))
    for question, rate in ASKED_A_SECOND.items():
        name = f"{question.name}, {rate}/s"
        before, after = alone.p95(question), both.p95(question)
        found += [
            Measurement(f"{name}, alone: p95", before, "ms", "lower"),
            Measurement(f"{name}, beside ingest: p95", after, "ms", "lower"),
            Measurement(f"{name}, beside ingest to alone", after / before, "x", "lower", SLOWER),
        ]
    return found


async def _ask(by_method: Mapping[str, Any], of: Known, random: Random, seconds: float, taken: _Taken) -> None:
    """Each question at its pace for so many seconds; returns when the last is answered."""
    try:
        async with asyncio.TaskGroup() as tasks:
            for question, rate in ASKED_A_SECOND.items():
                tasks.create_task(_paced(tasks, by_method, question, rate, of, random, seconds, taken))
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


async def _paced(
    tasks: asyncio.TaskGroup,
    by_method: Mapping[str, Any],
    question: Question,
    rate: int,
    of: Known,
    random: Random,
    seconds: float,
    taken: _Taken,
) -> None:
    loop = asyncio.get_running_loop()
    took = taken.answers.setdefault(question.name, [])
    due, until = loop.time(), loop.time() + seconds

    async def one(request: object, due: float) -> None:
        await answered(by_method[question.method], question, request)
        took.append(1000 * (loop.time() - due))

    while due < until:
        await asyncio.sleep(max(0.0, due - loop.time()))
        tasks.create_task(one(question.ask(random, of), due))
        due += 1 / rate
