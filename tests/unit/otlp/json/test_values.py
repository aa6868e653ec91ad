"""What a JSON value becomes in a field of each type; one that does not fit costs its record."""

from __future__ import annotations

import json
from math import inf, isnan
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, NumberDataPoint

from llm_observatory.otlp.json.wire import MALFORMED
from tests.plugins.hostile_wire import read_fields
from tests.plugins.otlp_json import to_protobuf

INT64_MAX, INT64_MIN, UINT64_MAX = 2**63 - 1, -(2**63), 2**64 - 1


def record(signal: str, text: str) -> bytes:
    """The bytes of the one record that `text` is, as JSON."""
    resource, scope, records = {
        "traces": ("resourceSpans", "scopeSpans", "spans"),
        "logs": ("resourceLogs", "scopeLogs", "logRecords"),
    }[signal]
    payload = to_protobuf(
        signal, f'{{"{resource}":[{{"{scope}":[{{"{records}":[{text}]}}]}}]}}'.encode("utf-8", "surrogateescape")
    )
    for _ in range(3):
        ((_, payload),) = read_fields(payload)
    return payload


def span(text: str) -> Any:
    return ExportTraceServiceRequest.FromString(around(record("traces", text))).resource_spans[0].scope_spans[0].spans[0]


def around(data: bytes) -> bytes:
    """A record in an otherwise empty request."""
    for tag in (b"\x12", b"\x12", b"\x0a"):
        data = tag + bytes([len(data)]) + data
    return data


def body(text: str) -> AnyValue:
    """The body of a log record."""
    request = ExportLogsServiceRequest.FromString(around(record("logs", f'{{"body":{text}}}')))
    return request.resource_logs[0].scope_logs[0].log_records[0].body


def is_malformed(signal: str, text: str) -> bool:
    return record(signal, text) == MALFORMED


def point(kind: str, text: str) -> Any:
    payload = to_protobuf(
        "metrics",
        f'{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"{kind}":{{"dataPoints":[{text}]}}}}]}}]}}]}}'.encode(),
    )
    metric = ExportMetricsServiceRequest.FromString(payload).resource_metrics[0].scope_metrics[0].metrics[0]
    (data,) = (value for _, value in metric.ListFields())
    return data.data_points[0]


@pytest.mark.parametrize(
    "text, value",
    [
        ("1", 1),
        ('"1"', 1),
        ("-0", 0),
        ('"-12"', -12),
        ("1.0", 1),
        ("1e3", 1000),
        ('"1.50e1"', 15),
        ('"9007199254740993.0"', 2**53 + 1),
        ("9007199254740993", 2**53 + 1),
        (str(INT64_MAX), INT64_MAX),
        (f'"{INT64_MIN}"', INT64_MIN),
        ('"0009"', 9),
    ],
)
def test_integers(text: str, value: int) -> None:
    assert body(f'{{"intValue":{text}}}') == AnyValue(int_value=value)


@pytest.mark.parametrize(
    "text",
    [
        "1.5", '"1.5"', '"1e-1"', '""', '" 1"', '"+1"', '"1_0"', '"0x10"', '"\u0661"', "true", "[]", "{}", "NaN", "1e19",
        "1e400", str(INT64_MAX + 1), f'"{INT64_MIN - 1}"', '"1e999999999"', '"1e99999999999999999999"',
        '"0.1e-99999999999999999999"', "9" * 5000, f'"{"9" * 5000}"',
    ],
)  # fmt: skip
def test_what_is_no_int64_costs_the_record(text: str) -> None:
    assert is_malformed("logs", f'{{"body":{{"intValue":{text}}}}}')


@pytest.mark.parametrize("text", [f'"{UINT64_MAX}"', str(UINT64_MAX)])
def test_unsigned_integers_have_all_their_bits(text: str) -> None:
    assert span(f'{{"endTimeUnixNano":{text}}}').end_time_unix_nano == UINT64_MAX


@pytest.mark.parametrize("text", ['"-1"', "-1", str(UINT64_MAX + 1), "1.8446744073709552e19"])
def test_what_is_no_uint64_costs_the_record(text: str) -> None:
    assert is_malformed("traces", f'{{"endTimeUnixNano":{text}}}')


def test_integers_of_every_kind() -> None:
    assert point("sum", f'{{"asInt":"{INT64_MIN}","flags":4294967295}}') == NumberDataPoint(as_int=INT64_MIN, flags=2**32 - 1)
    bucket = f'{{"scale":-2147483648,"positive":{{"offset":2147483647,"bucketCounts":["{UINT64_MAX}",0,"1"]}}}}'
    expected = ExponentialHistogramDataPoint(scale=-(2**31))
    expected.positive.offset = 2**31 - 1
    expected.positive.bucket_counts[:] = [UINT64_MAX, 0, 1]
    assert point("exponentialHistogram", bucket) == expected


@pytest.mark.parametrize("member", ['"droppedLinksCount":4294967296', '"flags":-1', '"kind":2147483648', '"kind":-2147483649'])
def test_32_bits_are_bounded(member: str) -> None:
    assert is_malformed("traces", f"{{{member}}}")


@pytest.mark.parametrize(
    "text, value",
    [
        ("1", 1.0),
        ("-0.0", -0.0),
        ('"1.5e-3"', 0.0015),
        (str(2**70), 2.0**70),
        ('"Infinity"', inf),
        ("-Infinity", -inf),
        ("1e400", inf),
        ('"-1e400"', -inf),
        ("1" + "0" * 400, inf),
        ("-" + "9" * 5000, -inf),
        ("5e-324", 5e-324),
    ],
)
def test_doubles(text: str, value: float) -> None:
    found = body(f'{{"doubleValue":{text}}}')
    assert found.WhichOneof("value") == "double_value"
    assert repr(found.double_value) == repr(value)


@pytest.mark.parametrize("text", ["NaN", '"NaN"'])
def test_nan(text: str) -> None:
    assert isnan(body(f'{{"doubleValue":{text}}}').double_value)


@pytest.mark.parametrize(
    "text", ['"nan"', '"inf"', '"1_0"', '" 1"', '""', "true", "[]", '"1.5.5"', '"0x1p3"', f'"{"1" * 2000}"']
)
def test_what_is_no_double_costs_the_record(text: str) -> None:
    assert is_malformed("logs", f'{{"body":{{"doubleValue":{text}}}}}')


@pytest.mark.parametrize("text", ['"true"', "0", "1", "[]"])
def test_booleans_are_true_and_false(text: str) -> None:
    assert body('{"boolValue":false}') == AnyValue(bool_value=False)
    assert is_malformed("logs", f'{{"body":{{"boolValue":{text}}}}}')


@pytest.mark.parametrize("text", ["//79Pj4=", "//79Pj4", "__79Pj4=", "__79Pj4", "_/79Pj4"])
def test_base64(text: str) -> None:
    assert body(f'{{"bytesValue":"{text}"}}') == AnyValue(bytes_value=b"\xff\xfe\xfd>>")


@pytest.mark.parametrize("text", ['"A"', '"AAAAA"', '"AA A"', '"A=AA"', '"\u00e9AAA"', '"AAAA\\n"', "1", "[]"])
def test_what_is_no_base64_costs_the_record(text: str) -> None:
    assert is_malformed("logs", f'{{"body":{{"bytesValue":{text}}}}}')


@pytest.mark.parametrize(
    "text, value",
    [
        ('"5B8EFFF798038103d269b633813fc60c"', bytes.fromhex("5b8efff798038103d269b633813fc60c")),
        ('""', b""),
        ('"0102"', b"\1\2"),
        ('"W47/95gDgQPSabYzgT/GDA=="', b"\0"),
        ('"5b8efff798038103d269b633813fc60"', b"\0"),
        ('"5b 8efff798038103d269b633813fc60c"', b"\0"),
        ('"\u0665b"', b"\0"),
        ("7", b"\0"),
        ("{}", b"\0"),
    ],
)
def test_ids_are_hexadecimal_or_of_no_valid_length(text: str, value: bytes) -> None:
    found = span(f'{{"traceId":{text},"links":[{{"traceId":{text}}}]}}')
    assert found.trace_id == value
    assert found.links[0].trace_id == value
    exemplar = point("gauge", f'{{"exemplars":[{{"traceId":{text}}}]}}').exemplars[0]
    assert exemplar.trace_id == value


def test_a_parent_that_is_no_id_does_not_make_a_root() -> None:
    assert len(span('{"parentSpanId":"nothing"}').parent_span_id) not in (0, 8)


@pytest.mark.parametrize("text, value", [("3", 3), ("99", 99), ("-1", -1), ('"SPAN_KIND_CLIENT"', 3), ("3.0", 3)])
def test_enums(text: str, value: int) -> None:
    assert span(f'{{"kind":{text}}}').kind == value


@pytest.mark.parametrize("text", ['"CLIENT"', '"span_kind_client"', '"3"', "1.5", "true", "[]"])
def test_what_is_no_value_of_the_enum_costs_the_record(text: str) -> None:
    assert is_malformed("traces", f'{{"kind":{text}}}')


@pytest.mark.parametrize(
    "text, data",
    [
        ('"a\\u0000b"', b"a\0b"),
        ('"\\ud83d\\ude00"', "\U0001f600".encode()),
        ('"a\\ud800b"', b"a\xed\xa0\x80b"),
        ('"\\udcc3\\udca9"', b"\xed\xb3\x83\xed\xb2\xa9"),
        ('"\udcff"', b"\xed\xb3\xbf"),
    ],
    ids=["NUL", "pair", "lone", "lone ones that look like bytes", "byte"],
)
def test_strings(text: str, data: bytes) -> None:
    """Whatever is not Unicode stays no UTF-8."""
    assert record("logs", f'{{"eventName":{text}}}') == b"\x62" + bytes([len(data)]) + data


@pytest.mark.parametrize("text", ["1", "true", "[]", "{}"])
def test_what_is_no_string_costs_the_record(text: str) -> None:
    assert is_malformed("logs", f'{{"eventName":{text}}}')


@pytest.mark.parametrize(
    "text, member",
    [
        ('{"stringValue":""}', "string_value"),
        ('{"intValue":0}', "int_value"),
        ('{"boolValue":false}', "bool_value"),
        ('{"arrayValue":{}}', "array_value"),
        ('{"intValue":1,"stringValue":"a"}', "string_value"),
        ('{"stringValue":"a","intValue":1}', "int_value"),
        ('{"stringValue":"a","intValue":null}', "string_value"),
        ('{"intValue":1,"unknown":[{}]}', "int_value"),
        ("{}", None),
    ],
)
def test_of_a_oneof_the_last_member_counts(text: str, member: str | None) -> None:
    assert body(text).WhichOneof("value") == member


def test_a_point_and_its_optional_members() -> None:
    found = point("histogram", '{"sum":0,"min":null,"bucketCounts":[],"explicitBounds":null}')
    assert (found.HasField("sum"), found.HasField("min")) == (True, False)


def test_null_is_absent_and_snake_case_is_known() -> None:
    text = '{"trace_state":"a=b","dropped_links_count":1,"attributes":[{"key":"k","value":{"string_value":"v"}}],"status":null}'
    assert span(text) == type(span("{}"))(
        trace_state="a=b", dropped_links_count=1, attributes=[KeyValue(key="k", value=AnyValue(string_value="v"))]
    )


def test_of_a_key_that_repeats_the_last_value_counts() -> None:
    assert span('{"name":"a","name":"b"}').name == "b"


@pytest.mark.parametrize("text", ["null", "1", '"a"', "[]", '{"attributes":{}}', '{"attributes":[null]}', '{"status":[]}'])
def test_what_is_of_another_shape_costs_the_record(text: str) -> None:
    assert is_malformed("traces", text)


def test_json_of_python_is_read() -> None:
    assert span(json.dumps({"name": "é\U0001f600\n"})).name == "é\U0001f600\n"
