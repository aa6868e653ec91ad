"""What was said leaves the span: content attributes of a span and of its events become rows of their own.

An item is one attribute whose key is listed, or all attributes of a family (`llm.input_messages.#`): a string as it came, any
other value as its JSON text, a family as the JSON object of its attributes under their whole keys. Items come in the order of
the span's attributes, a family where its first member stands, then those of the events in their order. A key is looked at
after its repairs, so that what is read here and what is stored never differ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from llm_observatory.codec.reference.compiled import RecordTable
from llm_observatory.codec.reference.document import Value, render_value
from llm_observatory.codec.reference.source import Speaker
from llm_observatory.codec.reference.span import SpanRecord
from llm_observatory.codec.reference.spec import Spec, SpecTable
from llm_observatory.errors import ConfigError

DIGITS = frozenset("0123456789")
KEYS_REMEMBERED = 10_000
KEY_REMEMBERED_MAX = 256
"""Characters."""


class Place(NamedTuple):
    """What a content key is: its kind, and its own name or the pattern of its family."""

    kind: str
    attribute: str
    family: bool = False
    marked: bool = False


class Places(dict[str, Place | None]):
    """Every key by what it is, None for those that are no content; `ordinary` are these.

    Keys repeat from span to span: what was found is remembered, which spares each key the comparison with every family, and
    a span without content costs one look at all its keys together (0.2 µs).
    """

    def __init__(self, content: Mapping[str, Any]) -> None:
        super().__init__()
        self.ordinary: set[str] = set()
        self._families: list[tuple[str, bool, Place]] = []
        self._listed: dict[str, Place] = {}
        kinds: dict[str, str] = {}
        faults: list[str] = []
        for member, marked in (("kinds", False), ("marked_kinds", True)):
            for kind, keys in content[member].items():
                for key in keys:
                    if key in kinds:
                        faults.append(f"content key {key} is of two kinds: {kinds[key]}, {kind}")
                    kinds[key] = kind
                    self._declare(kind, key, marked=marked)
        if faults:
            raise ConfigError(faults)

    def _declare(self, kind: str, key: str, *, marked: bool) -> None:
        family = key.endswith((".#", ".*"))
        place = Place(kind, key, family, marked)
        if family:
            self._families.append((key[:-1], key.endswith("#"), place))
        else:
            self._listed[key] = place

    def __missing__(self, key: str) -> Place | None:
        place = self._find(key)
        if len(key) <= KEY_REMEMBERED_MAX:
            if len(self) >= KEYS_REMEMBERED:
                self.clear()
                self.ordinary.clear()
            self[key] = place
            if place is None:
                self.ordinary.add(key)
        return place

    def _find(self, key: str) -> Place | None:
        if key in self._listed:
            return self._listed[key]
        for prefix, indexed, place in self._families:
            if key.startswith(prefix) and (not indexed or key[len(prefix) : len(prefix) + 1] in DIGITS):
                return place
        return None


class Item(NamedTuple):
    """One row of content: what its ops read."""

    record: SpanRecord
    place: Place
    carrier: str
    event_index: int | None
    is_json: bool
    body: str
    original_length: int


OPS: dict[str, Callable[[Item], Any]] = {
    "content.time_us": lambda item: item.record.start // 1000,
    "content.trace_id": lambda item: item.record.span.trace_id,
    "content.span_id": lambda item: item.record.span.span_id,
    "content.kind": lambda item: item.place.kind,
    "content.carrier": lambda item: item.carrier,
    "content.event_index": lambda item: item.event_index,
    "content.attribute": lambda item: item.place.attribute,
    "content.is_json": lambda item: item.is_json,
    "content.body": lambda item: item.body,
    "content.original_length": lambda item: item.original_length,
}


class ContentTable:
    """The table of content, and what of a span goes there."""

    def __init__(self, spec: Spec, spans: SpecTable) -> None:
        content = spec.content
        self._table = RecordTable(spec.filled_by("content.body", "fact"), OPS)
        self.name = self._table.name
        self._places = Places(content)
        self._mark = content["mark"]
        self._events = {
            name: {key: Place(event["kind"], key) for key in event["keys"]} for name, event in content["events"].items()
        }
        self._on_span, self._on_event = content["carriers"]["attribute"], content["carriers"]["event"]
        self._check(spans, {spec.llm["carrier_mark"][0]: "the mark of usage carriers", self._mark: "the mark of content"})

    def _check(self, spans: SpecTable, others: dict[str, str]) -> None:
        """A key that is content is taken before any other reader of it comes by: refuse the spec where there is one."""
        readers = [
            (source.key, f"column {spans.name}.{column.name}")
            for column in spans.columns
            for source in column.sources
            if not source.on_resource
        ]
        faults = [
            f"{reader}: its attribute {key} is content ({place.kind}: {place.attribute})"
            for key, reader in [*readers, *others.items()]
            for place in [self._places[key]]
            if place is not None
        ]
        if faults:
            raise ConfigError(faults)

    def template(self, speaker: Speaker) -> list[bytes]:
        """A row with all that the source decides."""
        return self._table.template(speaker)

    def take(self, record: SpanRecord, template: list[bytes], max_bytes: int) -> list[bytes]:
        """Take the content out of the span's attributes and events.

        Returns its rows, each body cut to `max_bytes` bytes, none when that is 0.
        """
        if not record.events and self._places.ordinary.issuperset(record.document):
            return []
        rows = []
        for place, value, event_index in self._taken(record):
            if not max_bytes:
                record.reader.count("content_dropped")
                continue
            row = template.copy()
            self._table.fill(row, self._item(record, place, value, event_index, max_bytes))
            rows.append(b"".join(row))
        return rows

    def _taken(self, record: SpanRecord) -> Iterator[tuple[Place, Value, int | None]]:
        for place, value in self._split(record.document, {}, marked=self._mark in record.document):
            yield place, value, None
        for index, event in enumerate(record.events):
            document = event.get("attributes")
            if document:
                for place, value in self._split(document, self._events.get(event.get("name", ""), {}), marked=False):
                    yield place, value, index
                if not document:
                    del event["attributes"]

    def _split(self, document: dict[str, Value], own: Mapping[str, Place], *, marked: bool) -> list[tuple[Place, Value]]:
        """Take the content out of a document: each item once, a family as the document of its members."""
        found: dict[str, tuple[Place, Value]] = {}
        for key in list(document):
            place = own.get(key) or self._places[key]
            if place is None or (place.marked and not marked):
                continue
            value = document.pop(key)
            if not place.family:
                found[key] = place, value
            elif place.attribute in found:
                found[place.attribute][1][key] = value
            else:
                found[place.attribute] = place, {key: value}
        return list(found.values())

    def _item(self, record: SpanRecord, place: Place, value: Value, event_index: int | None, max_bytes: int) -> Item:
        is_json = not isinstance(value, str)
        body = render_value(value) if is_json else value
        data = body.encode()
        if len(data) > max_bytes:
            record.reader.count("content_truncated")
            body = data[:max_bytes].decode(errors="ignore")
        carrier = self._on_span if event_index is None else self._on_event
        return Item(record, place, carrier, event_index, is_json, body, len(data))
