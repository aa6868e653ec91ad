"""`bench ingest` without a database: rates, faults of its options, ratios and bars, clients, rows."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import islice
from typing import Any, cast

import grpc
import pytest

from llm_observatory.errors import ConfigError
from llm_observatory.operate.bench.ingest import clients, options, rows, turn
from llm_observatory.operate.bench.ingest.database import url
from llm_observatory.operate.bench.ingest.figures import Figures, flatness
from llm_observatory.operate.bench.ingest.options import Options
from llm_observatory.operate.bench.ingest.process import LaneFailed, place
from llm_observatory.operate.bench.ingest.samples import Outcome, Sample, quantile, rate
from llm_observatory.operate.bench.ingest.turn import Turn
from llm_observatory.pipeline.lane import GROUP_MAX_BYTES
from llm_observatory.storage.script import COPY_HEADER
from llm_observatory.tables import LLM_TRACES

DATA_SET = options.SPANS[0]

GIVEN = {
    "data_set": DATA_SET, "items": 512, "committers": (1, 2, 4), "rows": 0, "lanes": tuple(options.LANES),
    "codecs": ("reference",), "rounds": 3, "seconds": 2.0, "minutes": 0.0, "clients": 16, "seed": 1,
    "pin": False, "direct_compress": False, "database_url": None,
}  # fmt: skip


def given(**changed: object) -> Options:
    return Options(**cast("Any", {**GIVEN, **changed}))


class TestSamples:
    def test_of_a_sample_that_lies_in_the_window_in_part_that_part_counts(self) -> None:
        assert rate([Sample(0.0, 2.0, 100), Sample(1.0, 3.0, 100), Sample(5.0, 6.0, 100)], 1.0, 2.0) == pytest.approx(100)

    def test_an_empty_window_has_no_rate(self) -> None:
        assert rate([Sample(0.0, 2.0, 100)], 2.0, 2.0) == 0

    def test_a_turn_is_judged_once_it_has_settled(self) -> None:
        slow, steady = Sample(10.0, 10.25, 1), [Sample(10.25 + n / 4, 10.5 + n / 4, 100) for n in range(3)]
        outcome = Outcome(10.0, 11.0, [slow, *steady])
        assert outcome.rate == pytest.approx(400)
        assert outcome.latencies == pytest.approx([0.25] * 3)
        assert outcome.items == 301

    def test_what_ended_after_the_turn_counts_in_part(self) -> None:
        assert Outcome(0.0, 4.0, [Sample(0.0, 8.0, 800)]).rate == pytest.approx(100)

    @pytest.mark.parametrize("share, expected", [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100), (0.0, 1)])
    def test_quantiles_are_values_that_were_there(self, share: float, expected: int) -> None:
        assert quantile(list(range(100, 0, -1)), share) == expected

    def test_a_quantile_of_nothing(self) -> None:
        assert quantile([], 0.5) == 0


class TestOptions:
    @pytest.mark.parametrize("text, expected", [("0", 0), ("500k", 500_000), ("10M", 10_000_000)])
    def test_rows(self, text: str, expected: int) -> None:
        assert options.parse_rows(text) == expected

    @pytest.mark.parametrize("text", ["", "ten", "10G", "-1", "1.5M"])
    def test_what_is_no_number_of_rows_is_refused_in_words(self, text: str) -> None:
        with pytest.raises(ConfigError, match=r"--rows: .* is no number of rows such as 0, 500k or 10M"):
            options.parse_rows(text)

    def test_committers(self) -> None:
        assert options.parse_committers("4,1,4") == (4, 1)

    @pytest.mark.parametrize("text", ["", "0", "17", "two", "1;2"])
    def test_what_the_service_would_refuse_is_refused(self, text: str) -> None:
        with pytest.raises(ConfigError, match="--committers"):
            options.parse_committers(text)

    def test_an_unknown_lane_is_named_and_the_known_too(self) -> None:
        with pytest.raises(ConfigError, match=r"--lanes: 'kopy' is none of copy, grpc"):
            given(lanes=("kopy",))

    def test_the_ceiling_is_of_spans(self) -> None:
        with pytest.raises(ConfigError, match=r"--data-set: 'logs' is none of spans-0.5k"):
            given(data_set="logs")
        with pytest.raises(ConfigError, match=r"--data-set: 'kopy' is none of spans-0.5k"):
            given(data_set="kopy", rows=10_000_000)

    def test_to_be_pinned_two_cores_are_needed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {3}, raising=False)
        monkeypatch.setattr("os.sched_setaffinity", lambda _pid, _cores: None, raising=False)
        with pytest.raises(ConfigError, match="here is one; leave --pin out"):
            given(pin=True)

    def test_rows_must_have_room(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("shutil.disk_usage", lambda _path: type("Usage", (), {"free": 10**9}))
        with pytest.raises(ConfigError, match=r"--rows: 10,000,000 rows need about 10 GB and .* has 1 GB; set TMPDIR"):
            given(rows=10_000_000)
        with pytest.raises(ConfigError, match=r"--rows: 10,000,000 rows need about 35 GB"):
            given(rows=10_000_000, data_set="spans-4k")

    def test_direct_compress_needs_a_server(self) -> None:
        with pytest.raises(ConfigError, match="--database-url"):
            given(direct_compress=True)

    def test_every_number_of_committers_has_the_ceiling_and_one_has_everything(self) -> None:
        chosen = given()
        assert chosen.usual == 2
        assert chosen.lanes_at(4) == ["copy", "grpc", "http"]
        assert set(chosen.lanes_at(2)) == set(options.LANES) - {"half"}

    def test_a_codec_that_is_not_there(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def missing() -> None:
            raise ConfigError(["the native codec is not installed"])

        monkeypatch.setattr(options, "Native", missing)
        assert options.codecs("both") == ("reference",)
        with pytest.raises(ConfigError, match="use --codec reference"):
            given(codecs=("native",))

    def test_a_driver_that_is_not_installed_is_left_out(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(options, "find_spec", lambda _name: None)
        assert given().missing == ["asyncpg"]
        assert "asyncpg" not in given().lanes_at(2)


A_TURN = Turn("grpc", 2, 512, 1000, 1000, 100.0, (0.01, 0.02), {"service": 5.0, "database": 9.0, "client": 1.0}, 512.0, 600.0,
              380.0, (100, 300_000_000, 200), 0, 0.0)  # fmt: skip


def of(lane: str, rate: float, *, committers: int = 2, service: float = 5.0) -> Turn:
    return replace(A_TURN, lane=lane, committers=committers, rate=rate, cpu_us={**A_TURN.cpu_us, "service": service})


def found(turns: list[Turn], **changed: object) -> dict[str, Any]:
    return {one.name: one for one in Figures(given(**changed), turns).all()}


class TestFigures:
    def test_ratios_are_of_medians(self) -> None:
        turns = [of("grpc", 70), of("grpc", 80), of("grpc", 10), of("copy", 100), of("copy", 100), of("copy", 900)]
        ratio = found(turns)["grpc, 2 committers: rate to copy"]
        assert (ratio.value, ratio.bar) == (pytest.approx(0.7), 0.7)

    def test_to_be_pinned_has_a_bar_of_its_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("os.sched_getaffinity", lambda _pid: {0, 1}, raising=False)
        monkeypatch.setattr("os.sched_setaffinity", lambda _pid, _cores: None, raising=False)
        assert found([of("grpc", 70), of("copy", 100)], pin=True)["grpc, 2 committers: rate to copy"].bar == 0.9

    def test_bars_are_about_512_items_a_request(self) -> None:
        made = found([of("grpc", 70), of("copy", 100), of("small", 30), of("noop", 70, service=2)], items=100)
        assert made["grpc, 2 committers: rate to copy"].bar is None
        assert made["small, 2 committers: rate to grpc"].bar is None
        assert made["CPU of the service above a no-op server"].bar is None

    def test_committers_are_not_mixed(self) -> None:
        turns = [of("grpc", 50, committers=1), of("copy", 100, committers=1), of("grpc", 90), of("copy", 100)]
        made = found(turns)
        assert made["grpc, 1 committer: rate to copy"].value == pytest.approx(0.5)
        assert made["grpc, 2 committers: rate to copy"].value == pytest.approx(0.9)

    def test_what_the_service_costs_is_above_what_grpc_costs(self) -> None:
        above = found([of("grpc", 70, service=5.5), of("noop", 70, service=2.0)])["CPU of the service above a no-op server"]
        assert (above.value, above.bar) == (pytest.approx(3.5), 4.0)

    def test_latencies_of_all_rounds_together(self) -> None:
        slow = replace(of("half", 1), latencies=(0.3,) * 2)
        made = found([slow, replace(of("half", 1), latencies=(0.01,) * 18)])["ack p95 at half load"]
        assert made.value == pytest.approx(300)

    def test_what_was_not_measured_has_no_figure(self) -> None:
        assert [name for name in found([of("copy", 100)]) if "grpc" in name] == []

    def test_what_is_zero_everywhere_has_no_column(self) -> None:
        heads, lanes = Figures(given(), [of("grpc", 70), replace(of("copy", 100), refused=2, memory=())]).table()
        assert "again" in heads
        assert "late s" not in heads
        assert [name for name, _ in lanes] == ["copy 2", "grpc 2"]
        assert lanes[0][1][heads.index("MB")] is None

    def test_memory_is_the_most_that_was_seen(self) -> None:
        assert found([of("grpc", 1)])["memory of the service, at most"].value == pytest.approx(300)

    def test_memory_that_grows_is_not_flat(self) -> None:
        assert flatness([9, 9, 5, 6, 5, 6]) == pytest.approx(1)
        assert flatness([9, 9, 5, 6, 5, 9]) == pytest.approx(1.5)
        assert flatness([1, 2]) is None


class TestStoredIsWhatWasAcknowledged:
    OUTCOME = Outcome(0.0, 1.0, [Sample(0.0, 0.5, 100)])

    @pytest.mark.parametrize("stored", [99, 101])
    def test_less_or_more_ends_the_run(self, stored: int) -> None:
        with pytest.raises(LaneFailed, match=f"grpc: 100 spans were acknowledged, {stored} are stored"):
            turn._compare("grpc", self.OUTCOME, stored)

    @pytest.mark.parametrize("doubtful, stored", [(0, 100), (20, 100), (20, 110), (20, 120)])
    def test_what_was_never_answered_may_be_stored(self, doubtful: int, stored: int) -> None:
        turn._compare("grpc", replace(self.OUTCOME, doubtful=doubtful), stored)

    def test_nothing_acknowledged_is_no_measurement(self) -> None:
        with pytest.raises(LaneFailed, match="more --seconds"):
            turn._compare("grpc", Outcome(0.0, 1.0), 0)


class TestRows:
    def test_values_are_the_rows_of_the_streams(self) -> None:
        [streams] = islice(rows.groups(DATA_SET, 5, 7, 20, None, decoded=False), 1)
        [values] = islice(rows.groups(DATA_SET, 5, 7, 20, None, decoded=True), 1)
        assert streams.items == values.items == 20
        assert [(one.table.name, one.rows) for one in streams.tables] == [
            (one.table.name, len(one.values)) for one in values.tables
        ]
        assert all(one.blocks[0].startswith(COPY_HEADER) for one in streams.tables)
        assert all(len(row) == len(one.table.columns) for one in values.tables for row in one.values)

    def test_a_group_is_no_larger_than_the_services(self) -> None:
        for group in islice(rows.groups("spans-16k", 100, 7, 10_000, None, decoded=False), 2):
            assert GROUP_MAX_BYTES <= group.size < 1.2 * GROUP_MAX_BYTES
            assert group.items < 2_000

    def test_no_trace_comes_twice(self) -> None:
        trace_id = [column.name for column in LLM_TRACES.columns].index("trace_id")
        made = islice(rows.groups(DATA_SET, 5, 7, 20, None, decoded=True), 3)
        by_group = [{row[trace_id] for one in group.tables if one.table is LLM_TRACES for row in one.values} for group in made]
        assert by_group[0].isdisjoint(by_group[1] | by_group[2])
        assert by_group[1].isdisjoint(by_group[2])


Answer = Callable[[grpc.aio.ServicerContext[Any, Any]], Awaitable[bytes]]


@asynccontextmanager
async def answering(answer: Answer) -> AsyncIterator[clients.GrpcClient]:
    async def export(_messages: object, context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
        await context.read()
        return await answer(context)

    server = grpc.aio.server()
    service, method = clients.METHOD.strip("/").split("/")
    handler = grpc.stream_unary_rpc_method_handler(cast("Any", export))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    client = clients.GrpcClient(server.add_insecure_port("127.0.0.1:0"))
    await server.start()
    try:
        yield client
    finally:
        await client.close()
        await server.stop(None)


@asynccontextmanager
async def answering_http(answer: bytes) -> AsyncIterator[clients.HttpClient]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        client = clients.HttpClient(server.sockets[0].getsockname()[1])
        try:
            yield client
        finally:
            await client.close()


class TestClients:
    async def test_an_empty_answer_is_the_acknowledgement(self) -> None:
        async def well(_context: object) -> bytes:
            return b""

        async with answering(well) as client:
            await client.send(b"spans")

    async def test_partial_success_is_none(self) -> None:
        async def in_part(_context: object) -> bytes:
            return b"\x0a\x02\x08\x01"

        async with answering(in_part) as client:
            with pytest.raises(clients.Unexpected, match="not all was accepted"):
                await client.send(b"spans")

    @pytest.mark.parametrize(
        "status, error",
        [(grpc.StatusCode.UNAVAILABLE, clients.TryAgain), (grpc.StatusCode.INVALID_ARGUMENT, clients.Unexpected)],
    )
    async def test_only_unavailable_is_sent_again(self, status: grpc.StatusCode, error: type[Exception]) -> None:
        async def refused(context: grpc.aio.ServicerContext[Any, Any]) -> bytes:
            await context.abort(status, "no")
            return b""

        async with answering(refused) as client:
            with pytest.raises(error):
                await client.send(b"spans")

    @pytest.mark.parametrize(
        "status, body, error",
        [(b"200 OK", b"part", clients.Unexpected), (b"503 Busy", b"", clients.TryAgain), (b"400 Bad", b"", clients.Unexpected)],
    )
    async def test_the_same_over_http(self, status: bytes, body: bytes, error: type[Exception]) -> None:
        answer = b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body)
        async with answering_http(answer) as client:
            with pytest.raises(error):
                await client.send(b"spans")

    async def test_an_acknowledgement_over_http(self) -> None:
        async with answering_http(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n") as client:
            await client.send(b"spans")


@pytest.mark.parametrize(
    "conninfo, expected",
    [
        ("host=/run/pg user=postgres dbname=a", "postgresql://postgres@/a?host=%2Frun%2Fpg"),
        ("postgresql://u:p%40w@db:5433/a", "postgresql://u:p%40w@/a?host=db&port=5433"),
    ],
)
def test_a_conninfo_as_url(conninfo: str, expected: str) -> None:
    assert url(conninfo) == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="only Linux keeps processes to cores")
def test_a_process_that_has_ended_keeps_no_other_from_its_place() -> None:
    [core, *_] = sorted(os.sched_getaffinity(0))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as here:
        place([gone.pid, here.pid], [core])
        assert os.sched_getaffinity(here.pid) == {core}
        here.communicate(b"\n")
