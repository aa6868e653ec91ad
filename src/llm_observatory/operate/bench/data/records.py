"""Requests of log records: as services write them, half of them within a trace."""

from __future__ import annotations

from random import Random

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs, SeverityNumber
from opentelemetry.proto.resource.v1.resource_pb2 import Resource

from llm_observatory.operate.bench.data.template import Marks, Template

RECORDS_A_TRACE = 8

_LEVELS = (SeverityNumber.SEVERITY_NUMBER_INFO, SeverityNumber.SEVERITY_NUMBER_WARN, SeverityNumber.SEVERITY_NUMBER_ERROR)
_SAYINGS = (
    "request completed in {} ms",
    "retrieved {} documents from the vector store",
    "rate limited by the provider, trying again after {} ms",
    "tool call took {} ms",
    "answer streamed in {} chunks",
)


def template(random: Random, items: int) -> Template:
    """One request of so many records."""
    marks = Marks()
    trace_id = b""
    records = []
    for number in range(items):
        if number % RECORDS_A_TRACE == 0:
            trace_id = marks.trace_id()
        records.append(_record(random, number, marks, trace_id if number % 2 == 0 else b""))
    attributes = [KeyValue(key="service.name", value=AnyValue(string_value="assistant"))]
    scope = ScopeLogs(scope=InstrumentationScope(name="app.log"), log_records=records)
    resource_logs = ResourceLogs(resource=Resource(attributes=attributes), scope_logs=[scope])
    return Template(ExportLogsServiceRequest(resource_logs=[resource_logs]).SerializeToString(), marks)


def _record(random: Random, number: int, marks: Marks, trace_id: bytes) -> LogRecord:
    age = random.randrange(1, 5 * 10**9)
    [severity] = random.choices(_LEVELS, (90, 7, 3))
    attributes = {
        "thread.name": AnyValue(string_value=f"worker-{random.randrange(8)}"),
        "app.step": AnyValue(int_value=number),
        "code.function.name": AnyValue(string_value="support.answers.stream"),
    }
    return LogRecord(
        time_unix_nano=marks.time(age),
        observed_time_unix_nano=marks.time(age - 1),
        severity_number=severity,
        severity_text=SeverityNumber.Name(severity).rpartition("_")[2],
        body=AnyValue(string_value=random.choice(_SAYINGS).format(random.randrange(10_000))),
        attributes=[KeyValue(key=key, value=value) for key, value in attributes.items()],
        trace_id=trace_id,
        span_id=random.randbytes(8) if trace_id else b"",
    )
