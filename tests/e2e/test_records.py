"""One bad record harms no other, and every value of a good one is found in SQL."""

from __future__ import annotations

import uuid

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.plugins.load import Client, llm_span, request_of, trace_request
from tests.plugins.service import Service

pytestmark = pytest.mark.timeout(120)


def bad_spans(trace_id: bytes) -> list[Span]:
    """One span for each way to be refused that protobuf can carry."""
    spans = [llm_span(trace_id, 10_000 + number) for number in range(8)]
    spans[0].trace_id = b"\x01" * 15
    spans[1].trace_id = bytes(16)
    spans[2].span_id = b""
    spans[3].parent_span_id = b"\x01"
    spans[4].start_time_unix_nano = 2**63
    spans[5].start_time_unix_nano = 1
    spans[6].start_time_unix_nano += 30 * 86_400 * 10**9
    spans[7].kind = 2**31 - 1  # type: ignore[assignment]  # an open enum carries any int32
    return spans


def test_a_bad_one_of_each_kind_among_a_thousand(shared_service: Service) -> None:
    trace_id = uuid.uuid4().bytes
    good = [llm_span(trace_id, number) for number in range(1_000)]
    bad = bad_spans(trace_id)
    spans = list(good)
    for place, span in enumerate(bad):
        spans.insert(place * 100, span)
    request = request_of(*spans)
    # One more that protobuf itself refuses: a span whose name is not UTF-8.
    mark = b"name-to-be-broken"
    extra = llm_span(trace_id, 20_000)
    extra.name = mark.decode()
    request.resource_spans[0].scope_spans[0].spans.append(extra)
    payload = request.SerializeToString().replace(mark, b"\xff" * len(mark))

    answer = Client(shared_service.endpoint).export(payload)

    assert answer.partial_success.rejected_spans == len(bad) + 1
    assert "trace_id" in answer.partial_success.error_message
    stored = shared_service.query("SELECT span_id FROM llm_traces WHERE trace_id = %s", trace_id.hex())
    assert {bytes(span_id) for (span_id,) in stored} == {span.span_id for span in good}


def test_every_rejection_is_counted_by_rule(shared_service: Service) -> None:
    sample = 'otlp_records_rejected_total{rule="parent_span_id_invalid",signal="traces"}'
    before = shared_service.metric(sample)
    span = llm_span(uuid.uuid4().bytes, 1)
    span.parent_span_id = b"123"
    answer = Client(shared_service.endpoint).export(request_of(span).SerializeToString())
    assert answer.partial_success.rejected_spans == 1
    assert shared_service.metric(sample) == before + 1


def test_bytes_that_are_no_request_are_invalid_argument_and_the_next_request_succeeds(shared_service: Service) -> None:
    client = Client(shared_service.endpoint)
    trace_id, payload = trace_request()
    for broken in (b"\xff" * 100, payload[:-1], payload[: len(payload) // 2]):
        with pytest.raises(grpc.RpcError) as caught:
            client.export(broken)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    client.export(payload)
    assert len(shared_service.query("SELECT 1 FROM llm_traces WHERE trace_id = %s", trace_id.hex())) == 10


def test_an_empty_request_succeeds(shared_service: Service) -> None:
    client = Client(shared_service.endpoint)
    for empty in (b"", request_of().SerializeToString(), ExportTraceServiceRequest().SerializeToString()):
        assert client.export(empty).ByteSize() == 0


def test_nul_characters_are_repaired_and_counted(shared_service: Service) -> None:
    trace_id = uuid.uuid4().bytes
    span = llm_span(trace_id, 1)
    span.name = "a\0b"
    span.attributes[0].key = "nul\0key"
    Client(shared_service.endpoint).export(request_of(span).SerializeToString())
    [(name, attributes)] = shared_service.query(
        "SELECT span_name, attributes FROM llm_traces WHERE trace_id = %s", trace_id.hex()
    )
    assert name == "a\ufffdb"
    assert "nul\ufffdkey" in attributes
    assert shared_service.metric('otlp_values_repaired_total{rule="nul_replaced",signal="traces"}') >= 2
