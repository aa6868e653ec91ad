"""A trace as a tree: what called what, how long it took, which model, how many tokens, what it cost, what failed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status, TracesData
from rich.text import Text
from rich.tree import Tree

from llm_observatory.app.cli.query import shown
from llm_observatory.tables.llm import LLM_COLUMNS

NAMES = {
    column.name: [op.removeprefix("attr:").rsplit(":", 1)[0] for op in (column.op, *(alias.op for alias in column.aliases))]
    for column in LLM_COLUMNS
}
"""The attributes that a column comes from, the first that is there."""


class _Node(NamedTuple):
    service: str
    span: Span


def tree(chunks: Iterable[TracesData]) -> Tree:
    """Every span once. Those whose parent is not there stand at the top."""
    nodes = {node.span.span_id: node for node in _nodes(chunks)}
    children: defaultdict[bytes, list[_Node]] = defaultdict(list)
    for node in sorted(nodes.values(), key=lambda node: node.span.start_time_unix_nano):
        parent = node.span.parent_span_id
        children[parent if parent in nodes and parent != node.span.span_id else b""].append(node)
    first = min((node.span.start_time_unix_nano for node in nodes.values()), default=0)
    last = max((node.span.end_time_unix_nano for node in nodes.values()), default=0)
    top = Tree(Text(f"{len(nodes):,} spans, {shown.duration(max(0, last - first))}, began {shown.moment(first)}", style="bold"))
    left = dict(nodes)
    waiting = [(top, node) for node in reversed(children[b""])]
    # Spans that are each other's ancestors hang on none of these; then any of them is a top.
    while left:
        if not waiting:
            waiting.append((top, next(iter(left.values()))))
        place, node = waiting.pop()
        if left.pop(node.span.span_id, None) is not None:
            branch = place.add(_line(node, first))
            waiting += ((branch, child) for child in reversed(children[node.span.span_id]))
    return top


def _nodes(chunks: Iterable[TracesData]) -> Iterable[_Node]:
    for chunk in chunks:
        for resource in chunk.resource_spans:
            service = _text(resource.resource.attributes, ("service.name",))
            for scope in resource.scope_spans:
                for span in scope.spans:
                    yield _Node(service, span)


def _line(node: _Node, first: int) -> Text:
    span = node.span
    line = Text(shown.plain(span.name), style="bold")
    line.append(f"  {shown.plain(node.service)}" if node.service else "", style="cyan")
    took = shown.duration(span.end_time_unix_nano - span.start_time_unix_nano) if span.end_time_unix_nano else "no end"
    line.append(f"  {took}", style="green")
    line.append(f" at +{shown.duration(span.start_time_unix_nano - first)}", style="dim")
    model = _text(span.attributes, NAMES["response_model"]) or _text(span.attributes, NAMES["request_model"])
    tokens = [_text(span.attributes, NAMES[name]) for name in ("input_tokens", "output_tokens")]
    if model:
        line.append(f"  {shown.plain(model)}", style="magenta")
    if any(tokens):
        line.append(f"  {tokens[0] or '?'} → {tokens[1] or '?'} tokens", style="yellow")
    cost = _text(span.attributes, NAMES["reported_cost_usd"])
    if cost:
        line.append(f"  ${shown.plain(cost)} reported", style="yellow")
    if span.status.code == Status.STATUS_CODE_ERROR:
        why = span.status.message or _text(span.attributes, ("error.type",))
        line.append(f"  ERROR {shown.plain(why, 200)}".rstrip(), style="bold red")
    return line


def _text(attributes: Iterable[KeyValue], names: Iterable[str]) -> str:
    """The first of these attributes that is there, as text."""
    found = {attribute.key: attribute.value for attribute in attributes}
    for name in names:
        value = found.get(name)
        kind = None if value is None else value.WhichOneof("value")
        if value is not None and kind in {"string_value", "int_value", "double_value", "bool_value"}:
            return str(getattr(value, kind))
    return ""
