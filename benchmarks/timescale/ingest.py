"""COPY as the service does it: groups of requests, encoded beforehand, written one transaction after the other."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count, cycle
from random import Random
from typing import NamedTuple

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from llm_observatory.operate.bench.data import assistant as spans
from llm_observatory.operate.bench.query.pool import encode, session
from llm_observatory.storage.session import CommitSession
from llm_observatory.storage.write import Stored, WriteRequest
from tests.plugins.load import metric_request

_MARK = b"benchmrk"
"""Trace ids of a group begin with it, so that they are found in what was encoded."""

_TRACE_ID = re.compile(_MARK + b"(?s:.{8})")
_FRESH = Random()  # noqa: S311 - ids, no secrets; no seed, for a digest that was there before would not be written
SETTLE_SECONDS = 1.0


class Group:
    """What one transaction writes. It can be written again and again: every time with other trace ids and digests."""

    def __init__(self, random: Random, rows: int, start: datetime, length: timedelta) -> None:
        ids = (_MARK + number.to_bytes(8, "big") for number in count())
        start_ns, length_ns = int(start.timestamp()) * 10**9, int(length.total_seconds()) * 10**9
        payloads = list(spans.requests(random, rows, ids, start_ns, length_ns))
        self.wire_bytes = sum(map(len, payloads))
        self._requests = [encode("traces", payload, start + length) for payload in payloads]
        self.rows = sum(request.encoded.accepted for request in self._requests)
        self._found = [
            [(table, table_bytes, [(at.start(), at.group()) for at in _TRACE_ID.finditer(table_bytes)])]
            for request in self._requests
            for table in request.encoded.tables
            for table_bytes in (b"".join(table.chunks),)
        ]

    def fresh(self) -> list[WriteRequest]:
        """The requests, as if of other traces: what is sent again into an index would be small there."""
        ids: dict[bytes, bytes] = {}
        found = iter(self._found)

        def renamed(request: WriteRequest) -> WriteRequest:
            tables = []
            for _ in request.encoded.tables:
                [(table, old, places)] = next(found)
                new = bytearray(old)
                for place, trace_id in places:
                    new[place : place + 16] = ids.get(trace_id) or ids.setdefault(trace_id, _FRESH.randbytes(16))
                tables.append(replace(table, chunks=(bytes(new),)))
            encoded = replace(request.encoded, tables=tuple(tables))
            return replace(request, digest=_FRESH.randbytes(16), encoded=encoded)

        return [renamed(request) for request in self._requests]


def points(service: str, at: datetime) -> WriteRequest:
    """Ten points of ten series of a service, all of that moment."""
    request = ExportMetricsServiceRequest.FromString(metric_request(10, service_name=service)[1])
    for point in request.resource_metrics[0].scope_metrics[0].metrics[0].sum.data_points:
        point.time_unix_nano = int(at.timestamp()) * 10**9
        point.start_time_unix_nano = point.time_unix_nano - 60 * 10**9
    return encode("metrics", request.SerializeToString(), at)


class Transaction(NamedTuple):
    """When it began and ended (`time.monotonic`), and how many spans it wrote."""

    began: float
    ended: float
    rows: int


class Ingest:
    """Transactions without pause, from one connection, in a task of their own."""

    def __init__(self, conninfo: str, groups: Sequence[Group]) -> None:
        self._conninfo = conninfo
        self._groups: Iterator[Group] = cycle(groups)
        self.transactions: list[Transaction] = []

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write during the block; it is entered when writing has settled."""
        async with session(self._conninfo) as opened, asyncio.TaskGroup() as tasks:
            going = True

            async def write() -> None:
                while going:
                    self.transactions.append(await write_group(opened, next(self._groups)))

            tasks.create_task(write())
            try:
                await asyncio.sleep(SETTLE_SECONDS)
                yield
            finally:
                going = False

    def rate(self, began: float, ended: float) -> float:
        """Spans a second between two moments; of a transaction that lies there in part, that part."""
        rows = sum(
            one.rows * max(0.0, min(one.ended, ended) - max(one.began, began)) / (one.ended - one.began)
            for one in self.transactions
        )
        return rows / (ended - began)

    def longest(self, began: float, ended: float) -> float:
        """Seconds of the longest transaction that lies at least in part between two moments."""
        return max((one.ended - one.began for one in self.transactions if one.ended > began and one.began < ended), default=0.0)


async def write_group(opened: CommitSession, group: Group) -> Transaction:
    """Write it once, with new ids."""
    fresh = group.fresh()
    began = time.monotonic()
    outcomes = await opened.write(fresh)
    ended = time.monotonic()
    assert all(isinstance(outcome, Stored) and not outcome.duplicate for outcome in outcomes)
    return Transaction(began, ended, group.rows)
