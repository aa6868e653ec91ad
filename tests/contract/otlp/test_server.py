"""The server around the receiver: ports, health, reflection, stopping."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from llm_observatory.errors import ConfigError
from llm_observatory.otlp.entrance import Entrance
from llm_observatory.otlp.grpc_receiver import GrpcReceiver
from llm_observatory.otlp.grpc_server import GrpcServer
from llm_observatory.pipeline.signal import SIGNALS
from tests.contract.otlp.conftest import Otlp, Start, raw_method, trailers
from tests.contract.otlp.payloads import trace_request
from tests.contract.otlp.waiting import until
from tests.plugins.scripted_ingest import ScriptedIngest
from tests.plugins.wire import EXPORT_TRACES, frame, raw_client

SERVICES = ["", *(signal.grpc_service for signal in SIGNALS)]
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def new_server(*, share_port: bool = False) -> GrpcServer:
    return GrpcServer(GrpcReceiver(Entrance(ScriptedIngest(), 4), SIGNALS), max_request_bytes=1024, share_port=share_port)


async def test_a_second_server_on_the_port_does_not_start(otlp: Otlp) -> None:
    second = new_server()
    with pytest.raises(ConfigError) as failure:
        await second.start("127.0.0.1", otlp.port)
    assert f"127.0.0.1:{otlp.port}" in str(failure.value)
    assert "OTLP_GRPC_PORT" in str(failure.value)
    assert "in use" in str(failure.value)
    await second.stop(0)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
async def test_a_port_that_any_program_holds_is_in_use(host: str) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        server = new_server()
        with pytest.raises(ConfigError, match="in use"):
            await server.start(host, other.getsockname()[1])
        await server.stop(0)


@pytest.mark.parametrize("host, reason", [("192.0.2.1", "annot assign"), ("no-such-host.invalid", "LISTEN_HOST")])
async def test_an_address_that_is_not_ours_is_named(host: str, reason: str) -> None:
    server = new_server()
    with pytest.raises(ConfigError, match=reason):
        await server.start(host, 0)
    await server.stop(0)


async def test_share_port_lets_two_servers_in() -> None:
    first, second = new_server(share_port=True), new_server(share_port=True)
    port = await first.start("127.0.0.1", 0)
    assert await second.start("127.0.0.1", port) == port
    await asyncio.gather(first.stop(0), second.stop(0))


async def test_health_of_every_service(otlp: Otlp) -> None:
    stub: Any = health_pb2_grpc.HealthStub(otlp.channel)
    for service in SERVICES:
        assert (await stub.Check(health_pb2.HealthCheckRequest(service=service))).status == SERVING
    otlp.server.set_serving(serving=False)
    for service in SERVICES:
        assert (await stub.Check(health_pb2.HealthCheckRequest(service=service))).status == NOT_SERVING
    with pytest.raises(aio.AioRpcError) as failure:
        await stub.Check(health_pb2.HealthCheckRequest(service="no.such.Service"))
    assert failure.value.code() is grpc.StatusCode.NOT_FOUND


async def test_health_watch_follows(otlp: Otlp) -> None:
    stub: Any = health_pb2_grpc.HealthStub(otlp.channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest(service=SERVICES[1]))
    assert (await watch.read()).status == SERVING
    otlp.server.set_serving(serving=False)
    assert (await watch.read()).status == NOT_SERVING
    watch.cancel()


async def test_health_lists_every_service(otlp: Otlp) -> None:
    stub: Any = health_pb2_grpc.HealthStub(otlp.channel)
    listed = await stub.List(health_pb2.HealthListRequest())
    assert {service: answer.status for service, answer in listed.statuses.items()} == dict.fromkeys(SERVICES, SERVING)


async def test_an_unknown_service_is_watched_as_such(otlp: Otlp) -> None:
    stub: Any = health_pb2_grpc.HealthStub(otlp.channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest(service="no.such.Service"))
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watch.cancel()
    await until(lambda: otlp.server.health.watchers == 0)


async def test_a_watcher_that_does_not_read_keeps_no_change_from_anybody(otlp: Otlp) -> None:
    stub: Any = health_pb2_grpc.HealthStub(otlp.channel)
    async with raw_client(otlp.port, window=0) as stuck:
        streams = []
        for service in SERVICES:
            streams.append(stream := await stuck.call("/grpc.health.v1.Health/Watch"))
            request = health_pb2.HealthCheckRequest(service=service)
            await stuck.send(stream, frame(request.SerializeToString()), end=True)
        await until(lambda: otlp.server.health.watchers == len(SERVICES))
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == SERVING
        # Back and forth: only the latest is of use.
        for serving in (False, True, False):
            otlp.server.health.set_serving(serving=serving)
        for service in SERVICES:
            checked = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=1)
            assert checked.status == NOT_SERVING
        async with asyncio.timeout(1):
            assert (await watch.read()).status == NOT_SERVING
        told = b"".join(frame(health_pb2.HealthCheckResponse(status=s).SerializeToString()) for s in (SERVING, NOT_SERVING))
        for stream in streams:
            await stuck.let_in(stream, 1000)
            await stuck.until(lambda: stuck.received(stream) == told)  # noqa: B023 - awaited here
        watch.cancel()


async def test_a_watcher_that_leaves_unread_is_no_error(otlp: Otlp, caplog: pytest.LogCaptureFixture) -> None:
    async with raw_client(otlp.port, window=0) as stuck:
        await stuck.send(await stuck.call("/grpc.health.v1.Health/Watch"), frame(b""), end=True)
        await until(lambda: otlp.server.health.watchers == 1)
        stuck.break_off()
        await until(lambda: otlp.server.health.watchers == 0)
    assert caplog.records == []


async def test_a_server_that_just_listens_does_not_serve_yet() -> None:
    server = new_server()
    port = await server.start("127.0.0.1", 0)
    async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        assert (await stub.Check(health_pb2.HealthCheckRequest())).status == NOT_SERVING
    await server.stop(0)


@pytest.mark.parametrize("service", SERVICES[1:])
@pytest.mark.parametrize("reflect", [False, True])
async def test_reflection_is_a_parameter(start: Start, reflect: bool, service: str) -> None:
    async with start(reflect=reflect) as otlp:
        request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=service)
        if not reflect:
            # A unary call: a stream whose end comes before grpc.aio has sent its message is INTERNAL to that client.
            with pytest.raises(aio.AioRpcError) as failure:
                await otlp.method("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")(request.SerializeToString())
            assert failure.value.code() is grpc.StatusCode.UNIMPLEMENTED
            return
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(otlp.channel)
        answer = await stub.ServerReflectionInfo(iter([request])).read()
        assert answer.file_descriptor_response.file_descriptor_proto


@pytest.mark.alone("it judges time: no other test beside it")
async def test_stopping_acknowledges_what_is_in_flight_and_refuses_the_rest(otlp: Otlp) -> None:
    otlp.ingest.commit.clear()
    stub: Any = health_pb2_grpc.HealthStub(otlp.channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest())
    await watch.read()
    in_flight = [asyncio.ensure_future(otlp.export(trace_request(mark=str(number)))) for number in range(5)]
    await until(lambda: otlp.ingest.exports == 5)
    loop = asyncio.get_running_loop()
    began = loop.time()
    stopping = asyncio.create_task(otlp.server.stop(20.0))
    assert (await watch.read()).status == NOT_SERVING
    async with aio.insecure_channel(f"127.0.0.1:{otlp.port}") as late:
        with pytest.raises(aio.AioRpcError) as failure:
            await raw_method(late, EXPORT_TRACES)(trace_request())
        assert failure.value.code() is grpc.StatusCode.UNAVAILABLE
    assert not stopping.done()
    otlp.ingest.commit.set()
    assert await asyncio.gather(*in_flight) == [b""] * 5
    await stopping
    # The watch, which never ends, did not take the grace.
    assert loop.time() - began < 5
    assert len(otlp.ingest.committed) == 5


@pytest.mark.alone("it judges time: no other test beside it")
async def test_answers_that_nobody_reads_do_not_take_the_grace(otlp: Otlp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_observatory.otlp.grpc_server.UNREAD_ANSWERS_SECONDS", 0.5)
    otlp.ingest.commit.clear()
    async with raw_client(otlp.port, window=0) as deaf:
        for number in range(20):
            await deaf.send(await deaf.call(), frame(trace_request(mark=f"deaf{number}")), end=True)
        call = asyncio.ensure_future(otlp.export(trace_request()))
        await until(lambda: otlp.ingest.exports == 21)
        loop = asyncio.get_running_loop()
        stopping = asyncio.create_task(otlp.server.stop(20.0))
        # As long as there is something to answer, it is the grace that counts.
        await asyncio.wait([stopping], timeout=1.0)
        assert not stopping.done()
        began = loop.time()
        otlp.ingest.commit.set()
        assert await call == b""
        await stopping
        assert 0.4 < loop.time() - began < 3
    assert len(otlp.ingest.committed) == 21


@pytest.mark.alone("it judges time: no other test beside it")
async def test_draining_refuses_new_and_waiting_calls_at_once(start: Start) -> None:
    async with start(read_slots=1) as otlp, raw_client(otlp.port) as client:
        stuck = await client.call()
        await client.send(stuck, frame(trace_request())[:-1])
        waiting = await client.call()
        await until(lambda: (otlp.receiver.entrance.reading, otlp.receiver.entrance.waiting) == (1, 1))
        otlp.receiver.entrance.start_draining()
        loop = asyncio.get_running_loop()
        began = loop.time()
        assert (await client.response(waiting)).headers["grpc-message"] == "the service is shutting down"
        with pytest.raises(aio.AioRpcError) as failure:
            await otlp.export(trace_request())
        assert failure.value.code() is grpc.StatusCode.UNAVAILABLE
        assert "google.rpc.retryinfo-bin" in trailers(failure.value)
        assert loop.time() - began < 0.5
        await otlp.receiver.entrance.drained()
        # The body that did not come had one second more, not its five.
        assert loop.time() - began < 2
        assert (await client.response(stuck)).status == grpc.StatusCode.UNAVAILABLE.value[0]
        assert otlp.receiver.entrance.in_flight == 0


async def test_calls_that_never_end_are_cut_off_at_the_grace(start: Start) -> None:
    async with start() as otlp:
        otlp.ingest.commit.clear()
        call = asyncio.ensure_future(otlp.export(trace_request()))
        await until(lambda: otlp.ingest.exports == 1)
        await otlp.server.stop(0.3)
        with pytest.raises(aio.AioRpcError) as failure:
            await call
        assert failure.value.code() in {grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE}
