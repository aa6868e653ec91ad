"""OTLP/gRPC: the connection, and the services beside OTLP."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.conformance.pinger import PINGS, Pinger
from tests.conformance.plugin import NO_CREDENTIALS, header_option
from tests.conformance.receiver import Client, Receiver, Seen
from tests.conformance.signals import SIGNALS, TRACES, traces

SERVICES = ["", *(signal.service for signal in SIGNALS)]


@pytest.mark.requirement("G19", "RECOMMENDED")
@pytest.mark.runs_last("its pings take half a minute, and go on beside the others")
@pytest.mark.timeout(120)
def test_a_client_that_pings_every_10_seconds_keeps_its_connection(pinger: Pinger, seen: Seen) -> None:
    pinger.join(90)
    seen(f"{pinger.answered} of {PINGS} pings answered, GOAWAY: {pinger.goaway}, a call afterwards: {pinger.status}")
    assert (pinger.answered, pinger.goaway, pinger.status) == (PINGS, False, "OK")


@pytest.mark.requirement("G19", "SHOULD")
async def test_a_flood_of_pings_disturbs_nobody_else(receiver: Receiver, client: Client, seen: Seen) -> None:
    assert client.export(traces()).code == "OK"
    async with receiver.frames() as flood:
        await flood.ping(times=1000)
        await flood.until(lambda: flood.closed or flood.goaway is not None or flood.ping_acks == 1000)
        ended = flood.goaway is not None or flood.closed
        reason = flood.goaway.additional_data if flood.goaway is not None else None
    seen(f"1000 pings at once: {f'GOAWAY {(reason or bytes()).decode()}' if ended else 'answered'}")
    answers = {client.export(traces()).code for _ in range(3)}
    seen(f"another connection meanwhile: {answers}")
    assert answers == {"OK"}


@pytest.mark.requirement("G22", "RECOMMENDED")
@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service or "the server")
def test_health(client: Client, seen: Seen, service: str) -> None:
    stub: Any = health_pb2_grpc.HealthStub(client.channel)
    status = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10).status
    watched = next(iter(stub.Watch(health_pb2.HealthCheckRequest(service=service), timeout=10))).status
    name = health_pb2.HealthCheckResponse.ServingStatus.Name
    seen(f"Check and Watch: {name(status)}, {name(watched)}")
    assert status == watched == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.requirement("G22", "RECOMMENDED")
def test_health_of_a_service_that_is_not_there(client: Client, seen: Seen) -> None:
    stub: Any = health_pb2_grpc.HealthStub(client.channel)
    with pytest.raises(grpc.RpcError) as failure:
        stub.Check(health_pb2.HealthCheckRequest(service="no.such.Service"), timeout=10)
    seen(f"another service: {failure.value.code().name}")
    assert failure.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.requirement("G23", "RECOMMENDED")
@pytest.mark.parametrize("version", ["v1", "v1alpha"])
def test_reflection_is_off(client: Client, seen: Seen, version: str) -> None:
    method = client.channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo", None, None)
    call: Any = method(iter([b""]), timeout=10)
    with pytest.raises(grpc.RpcError) as failure:
        next(call)
    seen(f"{version}: {failure.value.code().name}")
    assert failure.value.code() is grpc.StatusCode.UNIMPLEMENTED


@pytest.mark.requirement("G18", "SHOULD")
@pytest.mark.parametrize("credentials", ["none", "wrong"])
async def test_without_credentials(
    request: pytest.FixtureRequest, receiver: Receiver, client: Client, seen: Seen, credentials: str
) -> None:
    """Headers only, no body: whoever asks for credentials needs nothing else to refuse."""
    if not header_option(request.config):
        assert client.export(traces()).code == "OK", "it asks for credentials: name a --header for all tests"
        pytest.skip(NO_CREDENTIALS)
    headers = [(name, "wrong") for name in header_option(request.config)] if credentials == "wrong" else []
    async with receiver.frames() as frames:
        stream = await frames.call(TRACES.method, headers)
        response = await frames.response(stream)
    seen(f"{credentials}: {response.status}")
    assert response.status in (grpc.StatusCode.UNAUTHENTICATED.value[0], grpc.StatusCode.PERMISSION_DENIED.value[0])
