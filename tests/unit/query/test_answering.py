"""What a call hears when its service raises, and what else the server of the query port answers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import BadRequest, RetryInfo  # type: ignore[import-untyped]  # ships no stubs
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_status import rpc_status

from llm_observatory.api.v1 import trace_query_service_pb2, trace_query_service_pb2_grpc
from llm_observatory.api.v1.trace_query_service_pb2 import (
    GetTraceRequest,
    GetTraceResponse,
    ListServicesRequest,
    ListServicesResponse,
)
from llm_observatory.errors import DataRejected, InvalidQuery, NotFound, StorageUnavailable, TooMuch
from llm_observatory.query.server import Service
from tests.plugins.query import serving

NAME = trace_query_service_pb2.DESCRIPTOR.services_by_name["TraceQueryService"].full_name


class Raiser(trace_query_service_pb2_grpc.TraceQueryServiceServicer):
    """Answers every call with an error."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def ListServices(self, request: Any, context: Any) -> ListServicesResponse:  # noqa: N802 - the name in the protocol
        raise self._error

    async def GetTrace(self, request: Any, context: Any) -> AsyncIterator[GetTraceResponse]:  # noqa: N802 - the name in the protocol
        yield GetTraceResponse()
        raise self._error


def raising(error: Exception) -> Service:
    servicer = Raiser(error)  # type: ignore[abstract]  # the other methods are not asked
    return Service(NAME, trace_query_service_pb2_grpc.add_TraceQueryServiceServicer_to_server, servicer)


async def unary(channel: grpc.aio.Channel) -> None:
    stub: Any = trace_query_service_pb2_grpc.TraceQueryServiceStub(channel)
    await stub.ListServices(ListServicesRequest())


async def streaming(channel: grpc.aio.Channel) -> None:
    stub: Any = trace_query_service_pb2_grpc.TraceQueryServiceStub(channel)
    async for _ in stub.GetTrace(GetTraceRequest()):
        pass


async def refusal(error: Exception, ask: Callable[..., Any] = unary) -> grpc.aio.AioRpcError:
    """What a client hears of an error."""
    async with serving(raising(error)) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await ask(channel)
    return raised.value


def detail(error: grpc.aio.AioRpcError, type_: Any) -> Any:
    """The only detail of a status."""
    status = rpc_status.from_call(error)  # type: ignore[arg-type]  # the stubs know the thread-based client
    [packed] = status.details
    found = type_()
    assert packed.Unpack(found)
    return found


@pytest.mark.parametrize("ask", [unary, streaming])
@pytest.mark.parametrize(
    "raised, code, said",
    [
        (InvalidQuery("page_size", "is above 1000"), grpc.StatusCode.INVALID_ARGUMENT, "page_size: is above 1000"),
        (NotFound("there is no such trace"), grpc.StatusCode.NOT_FOUND, "there is no such trace"),
        (TooMuch("more than 1,000 services"), grpc.StatusCode.RESOURCE_EXHAUSTED, "more than 1,000 services"),
        (StorageUnavailable("db-7 refused"), grpc.StatusCode.UNAVAILABLE, "the storage is not available, try again"),
        (DataRejected("relation llm_traces"), grpc.StatusCode.INTERNAL, "the query failed for an unexpected reason"),
        (ZeroDivisionError("line 7"), grpc.StatusCode.INTERNAL, "the query failed for an unexpected reason"),
    ],
    ids=["invalid", "not found", "too much", "unavailable", "rejected", "unexpected"],
)
async def test_each_error_is_one_status_and_what_storage_says_stays_here(
    ask: Callable[..., Any], raised: Exception, code: grpc.StatusCode, said: str
) -> None:
    error = await refusal(raised, ask)
    assert (error.code(), error.details()) == (code, said)


async def test_a_bad_field_is_named_in_the_details_too() -> None:
    violation = detail(await refusal(InvalidQuery("attributes[3].key", "is required")), BadRequest).field_violations[0]
    assert violation.field == "attributes[3].key"


async def test_a_client_is_told_when_to_try_again() -> None:
    error = await refusal(StorageUnavailable("gone"))
    assert detail(error, RetryInfo).retry_delay.seconds == 1


async def test_health_is_told_for_each_service() -> None:
    async with serving(raising(ZeroDivisionError())) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        for name in ("", NAME):
            answer = await stub.Check(health_pb2.HealthCheckRequest(service=name))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("reflect", [True, False])
async def test_reflection_is_a_setting(reflect: bool) -> None:
    from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

    async with serving(raising(ZeroDivisionError()), reflect=reflect) as channel:
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        call = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        if reflect:
            names = {found.name async for answer in call for found in answer.list_services_response.service}
            assert NAME in names
            return
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await call.read()
        assert raised.value.code() is grpc.StatusCode.UNIMPLEMENTED
