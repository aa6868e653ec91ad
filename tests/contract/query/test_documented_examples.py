"""docs/query.md: what it shows in Python, as calls and as commands does what it says, on a server that answers."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import sys
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from llm_observatory.api.v1.trace_query_service_pb2 import SearchTracesRequest
from llm_observatory.api.v1.trace_query_service_pb2_grpc import TraceQueryServiceStub
from llm_observatory.app.query_services import query_services
from llm_observatory.query.server import QueryServer
from tests.plugins.query import Query
from tests.plugins.service import free_port

PAGE = (Path(__file__).parents[3] / "docs" / "query.md").read_text(encoding="utf-8")
TRACE_ID = "5e5ebfbace24fb1e03081e1f9669dbda"
PORT = "127.0.0.1:8080"
SECONDS = 60


def blocks(language: str) -> list[str]:
    """The examples in a language."""
    return re.findall(rf"^```{language} \(tested[^\n]*\n(.*?)^```", PAGE, flags=re.MULTILINE | re.DOTALL)


def commands(program: str) -> list[list[str]]:
    """What is typed for a program, as its arguments."""
    lines = "".join(blocks("sh")).replace("\\\n", " ").splitlines()
    return [words[1:] for line in lines if (words := shlex.split(line, comments=True)) and words[0] == program]


PYTHON = [example for example in blocks("python") if PORT in example]
[WITHOUT_PORT] = [example for example in blocks("python") if PORT not in example]
CALLS, COMMANDS = commands("grpcurl"), commands("llm-observatory")


def test_there_are_examples() -> None:
    assert len(PYTHON) == 2
    assert len(CALLS) == 4
    assert [words[0] for words in COMMANDS] == [*["query"] * 5, "tail"]


@pytest.fixture
async def endpoint(query: Query) -> AsyncIterator[str]:
    """A server with the trace of the page in it; its host:port."""
    now_ns = time.time_ns()
    span = Span(
        trace_id=bytes.fromhex(TRACE_ID),
        span_id=b"12345678",
        name="chat",
        start_time_unix_nano=now_ns - 10**9,
        end_time_unix_nano=now_ns,
    )
    resource = Resource(attributes=[KeyValue(key="service.name", value=AnyValue(string_value="chat-api"))])
    await query.store(
        ExportTraceServiceRequest(resource_spans=[ResourceSpans(resource=resource, scope_spans=[ScopeSpans(spans=[span])])])
    )
    server = QueryServer(query_services(query.reader, 30.0), timeout=30.0, reflect=True)
    port = await server.start("127.0.0.1", free_port())
    server.set_serving(serving=True)
    yield f"127.0.0.1:{port}"
    await server.stop(0.0)


async def ran(*command: str) -> str:
    """What a process printed that ended well."""
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env={**os.environ, "COLUMNS": "200"}
    )
    async with asyncio.timeout(SECONDS):
        printed, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return printed.decode()


@pytest.mark.parametrize("example, said", list(zip(PYTHON, ["chat 1000.0 ms", "1 spans"], strict=True)), ids=["sync", "async"])
async def test_python(endpoint: str, example: str, said: str) -> None:
    assert (await ran(sys.executable, "-c", example.replace(PORT, endpoint))).strip() == said


def test_python_without_a_port() -> None:
    """The comment stands for what is tested: it asks in a thread of its own."""
    before, after = WITHOUT_PORT.split("# …", 1)
    shared: dict[str, Any] = {}
    exec(before, shared)
    with ThreadPoolExecutor(1) as thread:
        asked = thread.submit(
            TraceQueryServiceStub(shared["channel"]).SearchTraces, SearchTracesRequest(page_size=7), timeout=SECONDS
        )
        exec("# " + after, shared)
        assert [found.summary.span_name for found in asked.result(SECONDS).spans] == ["chat"]
    assert shared["request"] == SearchTracesRequest(page_size=7)


def called(endpoint: str, words: list[str]) -> Any:
    """As grpcurl does it: what the server says of itself is all that is known of its messages."""
    plaintext, *rest = words
    assert plaintext == "-plaintext"
    data, (target, name) = ("{}", rest) if rest[0] != "-d" else (rest[1], rest[2:])
    assert target == PORT
    with grpc.insecure_channel(endpoint) as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        if name == "list":
            return database.get_services()
        service, method = name.split("/")
        described = DescriptorPool(database).FindServiceByName(service).methods_by_name[method]
        request = json_format.Parse(data, GetMessageClass(described.input_type)())
        ask = channel.unary_unary(
            f"/{name}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=GetMessageClass(described.output_type).FromString,
        )
        return json_format.MessageToDict(ask(request, timeout=SECONDS))


async def test_calls_over_reflection(endpoint: str) -> None:
    services, found, usage, health = [await asyncio.to_thread(called, endpoint, words) for words in CALLS]
    assert "llm_observatory.api.v1.TraceQueryService" in services
    assert found["spans"][0]["summary"]["spanName"] == "chat"
    assert "rows" not in usage  # the span called no model
    assert health == {"status": "SERVING"}


@pytest.mark.parametrize("words", [words for words in COMMANDS if words[0] == "query"], ids=" ".join)
async def test_commands(endpoint: str, words: list[str]) -> None:
    printed = await ran(sys.executable, "-m", "llm_observatory", *words, "--endpoint", endpoint)
    if "--json" in words:
        json.loads(printed)
    elif TRACE_ID in words:
        assert "chat-api" in printed
        assert "chat" in printed
    else:
        assert printed.strip()
