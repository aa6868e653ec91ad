"""What a well-behaved client sees: names, encodings, sizes, success, partial success, concurrency."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from grpc import aio
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

from llm_observatory.errors import StorageUnavailable
from llm_observatory.metrics import RECEIVER_ACCEPTED, RECEIVER_REFUSED
from llm_observatory.pipeline.flight import ExportResult
from llm_observatory.pipeline.signal import SIGNALS, Signal
from tests.contract.otlp.conftest import MIB, Otlp, Start, trailers
from tests.contract.otlp.payloads import counted, padded_request, trace_request
from tests.plugins.load import REQUESTS
from tests.plugins.wire import EXPORT_LOGS, EXPORT_METRICS, EXPORT_TRACES, frame, raw_client


async def test_export_answers_success_with_an_empty_body(otlp: Otlp) -> None:
    request = trace_request()
    assert await otlp.export(request) == b""
    assert otlp.ingest.committed == [request]
    assert otlp.ingest.tenants == {"default"}


@pytest.mark.parametrize(
    "path",
    [
        "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export",
        "/opentelemetry.proto.collector.trace.v1.TraceService/Import",
        "/no.such.Service/Method",
    ],
)
async def test_unknown_methods_leave_the_channel_usable(otlp: Otlp, path: str) -> None:
    with pytest.raises(aio.AioRpcError) as failure:
        await otlp.method(path)(trace_request())
    assert failure.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert await otlp.export(trace_request()) == b""


@pytest.mark.parametrize("compression", list(grpc.Compression))
async def test_compressed_requests(otlp: Otlp, compression: grpc.Compression) -> None:
    request = trace_request(100)
    await otlp.export(request, compression=compression)
    assert otlp.ingest.committed == [request]


async def test_the_reply_lists_the_encodings(otlp: Otlp) -> None:
    async with raw_client(otlp.port) as client:
        stream = await client.call()
        await client.send(stream, frame(trace_request()), end=True)
        response = await client.response(stream)
    assert response.headers["grpc-accept-encoding"].split(", ") == ["identity", "deflate", "gzip"]
    assert response.status == 0
    assert response.body == frame(b"")


@pytest.mark.parametrize("compression", list(grpc.Compression))
@pytest.mark.parametrize("excess", [-1, 0, 1])
async def test_the_size_limit_is_exact_and_counts_inflated_bytes(
    start: Start, compression: grpc.Compression, excess: int
) -> None:
    limit = 64 * 1024
    request = padded_request(limit + excess)
    async with start(max_request_bytes=limit) as otlp:
        if excess <= 0:
            assert await otlp.export(request, compression=compression) == b""
            assert otlp.ingest.committed == [request]
            return
        with pytest.raises(aio.AioRpcError) as failure:
            await otlp.export(request, compression=compression)
        assert failure.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert not trailers(failure.value).keys() & {"grpc-status-details-bin", "google.rpc.retryinfo-bin"}
        assert otlp.ingest.exports == 0
        assert await otlp.export(trace_request()) == b""


@pytest.mark.parametrize("resource_spans", [[], [ResourceSpans()], [ResourceSpans(scope_spans=[ScopeSpans()])]])
async def test_empty_requests_succeed(otlp: Otlp, resource_spans: list[ResourceSpans]) -> None:
    otlp.ingest.answer = ExportResult(b"", 0, 0)
    assert await otlp.export(ExportTraceServiceRequest(resource_spans=resource_spans).SerializeToString()) == b""


async def test_an_empty_message_does_not_touch_ingest(otlp: Otlp) -> None:
    otlp.ingest.failures.append(AssertionError("ingest was asked"))
    assert await otlp.export(b"") == b""
    assert otlp.ingest.exports == 0
    assert otlp.receiver.entrance.reading == 0


async def test_partial_success_is_ok_and_counted_by_item(otlp: Otlp) -> None:
    answer = ExportTraceServiceResponse(
        partial_success=ExportTracePartialSuccess(rejected_spans=2, error_message="2 spans without a trace id")
    ).SerializeToString()
    otlp.ingest.answer = ExportResult(answer, 3, 2)
    accepted, refused = counted(RECEIVER_ACCEPTED["spans"]), counted(RECEIVER_REFUSED["spans"])
    assert await otlp.export(trace_request(5)) == answer
    assert counted(RECEIVER_ACCEPTED["spans"]) - accepted == 3
    assert counted(RECEIVER_REFUSED["spans"]) - refused == 2


async def test_two_hundred_calls_in_parallel(otlp: Otlp) -> None:
    requests = [trace_request(mark=f"{index}-") for index in range(200)]
    assert await asyncio.gather(*(otlp.export(request) for request in requests)) == [b""] * 200
    assert sorted(otlp.ingest.committed) == sorted(requests)


async def test_a_large_request_arrives_whole(start: Start) -> None:
    request = trace_request(name_bytes=20 * MIB)
    async with start(max_request_bytes=64 * MIB) as otlp:
        assert await otlp.export(request) == b""
        assert otlp.ingest.committed == [request]


async def test_the_services_carry_their_real_names(otlp: Otlp) -> None:
    files = (trace_service_pb2, metrics_service_pb2, logs_service_pb2)
    names = [service.full_name for file in files for service in file.DESCRIPTOR.services_by_name.values()]
    assert [signal.grpc_service for signal in otlp.receiver.signals] == names
    assert tuple(f"/{name}/Export" for name in names) == (EXPORT_TRACES, EXPORT_METRICS, EXPORT_LOGS)


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
async def test_every_signal_has_its_service_and_is_counted_as_itself(otlp: Otlp, signal: Signal) -> None:
    before = {noun: counted(counter) for noun, counter in RECEIVER_ACCEPTED.items()}
    otlp.ingest.answer = ExportResult(b"", 7, 0)
    request = REQUESTS[signal](7)[1]
    assert await otlp.method(f"/{signal.grpc_service}/Export")(request) == b""
    assert otlp.ingest.exported == [(signal, request)]
    after = {noun: counted(counter) for noun, counter in RECEIVER_ACCEPTED.items()}
    assert {noun: after[noun] - before[noun] for noun in after} == {noun: 7 * (noun == signal.noun) for noun in after}


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
async def test_a_refused_request_counts_its_items_as_those_of_its_signal(otlp: Otlp, signal: Signal) -> None:
    counter = RECEIVER_REFUSED[signal.noun]
    before = counted(counter)
    otlp.ingest.failures.append(StorageUnavailable())
    with pytest.raises(aio.AioRpcError):
        await otlp.method(f"/{signal.grpc_service}/Export")(REQUESTS[signal](5)[1])
    assert counted(counter) - before == 5
