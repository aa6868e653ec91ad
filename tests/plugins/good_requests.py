"""Requests of good records only, beside which one thing is bad: several resources and scopes, each record unlike all others."""

from __future__ import annotations

from typing import Any

from opentelemetry.proto.metrics.v1.metrics_pb2 import Exemplar, Metric

from tests.plugins.hostile_wire import INVALID_UTF8, Path
from tests.plugins.otlp_messages import NS, REQUESTS

NUMBERS = 100
"""So far apart must the first numbers of two requests be that are to have nothing in common."""


def listed(message: Any, number: int) -> Any:
    """A field by its number."""
    return getattr(message, message.DESCRIPTOR.fields_by_number[number].name)


def child(message: Any, name: str, ns: int = NS) -> Any:
    """A message in a field: the first one of a list, made if it is not there."""
    field = message.DESCRIPTOR.fields_by_name[name]
    found = getattr(message, name)
    if field.is_repeated:
        return found[0] if found else good(found.add(), 0, ns)
    found.SetInParent()
    return found


def message_at(request: Any, path: Path, ns: int = NS) -> Any:
    """The message that a way leads to."""
    message: Any = request
    for name in path:
        message = child(message, name, ns)
    return message


def good(message: Any, number: int, ns: int = NS) -> Any:
    """What a message needs to be kept, unlike that of any other number."""
    for field in message.DESCRIPTOR.fields:
        if field.name in ("trace_id", "span_id"):
            setattr(message, field.name, (number + 1).to_bytes(16 if field.name == "trace_id" else 8, "big"))
        elif field.name.endswith("time_unix_nano"):
            setattr(message, field.name, ns + number)
        elif field.name == "key":
            message.key = "k"
    if isinstance(message, Exemplar) or "as_int" in message.DESCRIPTOR.fields_by_name:
        message.as_int = number
    return message


def good_request(signal: str, kind: str, first: int = 0, ns: int = NS) -> Any:
    """Two resources; in the first two scopes, in the first of them two records, which in metrics have two points.

    `kind` is that of the metrics. Numbers begin above `first`, times are about `ns`.
    """
    request, number = REQUESTS[signal](), first
    for scopes in ((2, 1), (1,)):
        resource = listed(request, 1).add()
        resource.resource.attributes.add(key="service.name").value.string_value = f"service {number - first}"
        for records in scopes:
            scope = listed(resource, 2).add()
            scope.scope.name = f"scope {number - first}"
            for record in (listed(scope, 2).add() for _ in range(records)):
                number += 2
                if signal == "metrics":
                    record.name = f"metric {number - first}"
                    points = getattr(record, kind).data_points
                    good(points.add(), number, ns)
                    good(points.add(), number + 1, ns)
                else:
                    good(record, number, ns)
    return request


def level_of(signal: str, path: Path) -> str:
    """What a broken field costs: all of a `resource`, of a `scope`, of a `metric`, or one `point` or `record`."""
    if len(path) < 3 or path[1] == "resource":
        return "resource"
    if len(path) < 4 or path[2] == "scope":
        return "scope"
    if signal == "metrics":
        return "point" if "data_points" in path else "metric"
    return "record"


def kind_of(path: Path) -> str:
    """What data the metrics on a way have."""
    names = {field.name for field in Metric.DESCRIPTOR.oneofs_by_name["data"].fields}
    return next((name for name in path if name in names), "gauge")


def first_of(request: Any, level: str, kind: str) -> tuple[Any, int]:
    """The list in which what a level may cost comes first, and how far below it what describes it stands."""
    resources = listed(request, 1)
    if level == "resource":
        return resources, 1
    scopes = listed(resources[0], 2)
    if level == "scope":
        return scopes, 1
    records = listed(scopes[0], 2)
    return (getattr(records[0], kind).data_points if level == "point" else records), 0


def without_first(request: Any, level: str, kind: str) -> Any:
    """The request without what something of that level may cost."""
    del first_of(request, level, kind)[0][0]
    return request


def break_first(request: Any, level: str, kind: str) -> None:
    """Put what protobuf refuses into the first of that level."""
    messages, below = first_of(request, level, kind)
    message = listed(messages[0], 1) if below else messages[0]
    pairs = message.metadata if level == "metric" else message.attributes
    pairs.add(key=next(iter(INVALID_UTF8)))
