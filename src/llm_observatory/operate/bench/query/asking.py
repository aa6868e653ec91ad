"""Asking: each question so many times, one after the other, over gRPC; how long the answers took."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from importlib.resources import files
from random import Random
from statistics import quantiles
from typing import Any

import grpc

from llm_observatory.api.v1.log_query_service_pb2_grpc import LogQueryServiceStub
from llm_observatory.api.v1.trace_query_service_pb2_grpc import TraceQueryServiceStub
from llm_observatory.api.v1.usage_query_service_pb2_grpc import UsageQueryServiceStub
from llm_observatory.errors import ObservatoryError
from llm_observatory.operate.bench.query.database import Say, opened, rows
from llm_observatory.operate.bench.query.dataset import Dataset
from llm_observatory.operate.bench.query.pool import DAY
from llm_observatory.operate.bench.query.questions import GET, LOGS, QUESTIONS, SEARCH, USAGE, Known, Question
from llm_observatory.operate.bench.report import Measurement
from llm_observatory.storage.compose import named

_SQL = files(__package__) / "sql"

WARM_UP = 10
"""Of each question, before it is measured."""


class NoAnswer(ObservatoryError):
    """A question was not answered, or with nothing where something must be found; the message says which."""


async def known(dataset: Dataset, random: Random, traces: int) -> Known:
    """Look up what questions are made of; traces are of moments all over the data set."""
    async with opened(dataset.conninfo) as connection:
        trace_ids: list[bytes] = []
        while len(trace_ids) < traces:
            begin = dataset.first + timedelta(seconds=random.randrange(dataset.days * 86_400 - 300))
            trace_ids += [one.bytes for (one,) in await rows(connection, named(_SQL, "trace_after"), begin, begin + DAY)]
        request_ids = [one for (one,) in await rows(connection, named(_SQL, "request_ids"))]
        words = [one for (one,) in await rows(connection, named(_SQL, "words"), dataset.clock - DAY, dataset.clock)]
    return Known(dataset.clock, dataset.days, trace_ids, request_ids, words)


async def measure(channel: grpc.aio.Channel, of: Known, random: Random, asked: int, say: Say) -> AsyncIterator[Measurement]:
    """Each question `asked` times. Raises NoAnswer."""
    by_method = methods(channel)
    for question in QUESTIONS:
        for _ in range(WARM_UP):
            await _milliseconds(by_method[question.method], question, question.ask(random, of))
        took = [await _milliseconds(by_method[question.method], question, question.ask(random, of)) for _ in range(asked)]
        cuts = quantiles(took, n=20, method="inclusive")
        load = os.getloadavg()[0]
        say(f"{question.name}: p50 {cuts[9]:.1f} ms, p95 {cuts[18]:.1f} ms, below {question.bar:g} (load {load:.1f})")
        yield Measurement(f"{question.name}: p50", cuts[9], "ms", "lower")
        yield Measurement(f"{question.name}: p95", cuts[18], "ms", "lower", question.bar)
        yield Measurement(f"{question.name}: load of the machine", load, "")


def methods(channel: grpc.aio.Channel) -> dict[str, Any]:
    """Of all services, by name."""
    traces, usage, logs = TraceQueryServiceStub(channel), UsageQueryServiceStub(channel), LogQueryServiceStub(channel)
    return {GET: traces.GetTrace, SEARCH: traces.SearchTraces, USAGE: usage.GetUsage, LOGS: logs.SearchLogs}


async def _milliseconds(method: Callable[[Any], Any], question: Question, request: object) -> float:
    """From the call to the end of its answer."""
    began = time.perf_counter()
    await answered(method, question, request)
    return 1000 * (time.perf_counter() - began)


async def answered(method: Callable[[Any], Any], question: Question, request: object) -> None:
    """Ask, and take the whole answer. Raises NoAnswer."""
    call = method(request)
    try:
        answers = [one async for one in call] if isinstance(call, grpc.aio.UnaryStreamCall) else [await call]
    except grpc.aio.AioRpcError as error:
        raise NoAnswer(f"{question.name}: {error.code().name}, {error.details()}") from None
    if question.finds and not sum(map(question.found, answers)):
        raise NoAnswer(f"{question.name}: nothing was found")
