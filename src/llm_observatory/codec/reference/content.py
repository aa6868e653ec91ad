"""What was said leaves its record: the content of a span, of its events and of a log record is found here and taken out.

An item is one attribute whose key is listed, all attributes of a family (`llm.input_messages.#`), or the body of a log record
that is a message event. Items come in the order of the record's attributes, a family where its first member stands, then
those of the events in their order, or the body. A key is looked at after its repairs, so that what is read here and what is
stored never differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from llm_observatory.codec.reference.document import Value
from llm_observatory.codec.reference.log import LoggedRecord
from llm_observatory.codec.reference.span import SpanRecord
from llm_observatory.codec.reference.spec import Spec, SpecTable
from llm_observatory.errors import ConfigError

FAMILIES = (".#", ".*")
"""How the names of families end: what follows is a number, or anything."""

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

    Keys repeat from record to record: what was found is remembered, which spares each key the comparison with every family,
    and a record without content costs one look at all its keys together (0.2 µs).
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
        family = key.endswith(FAMILIES)
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


class Event(NamedTuple):
    """A message event: the keys that are content in it beside those of every record, and what its body is on a log record."""

    keys: dict[str, Place]
    body: Place


class Taken(NamedTuple):
    """One item, and where it stood."""

    place: Place
    value: Value
    carrier: str
    event_index: int | None = None


_NO_KEYS: Mapping[str, Place] = {}


class Finder:
    """Finds the content of the records of one table."""

    def __init__(self, spec: Spec, records: SpecTable) -> None:
        content = spec.content
        self._places = Places(content)
        self._mark = content["mark"]
        self._events = {
            name: Event({key: Place(event["kind"], key) for key in event["keys"]}, Place(event["kind"], ""))
            for name, event in content["events"].items()
        }
        self._name_keys: list[str] = content["event_name_keys"]
        self._carriers: dict[str, str] = content["carriers"]
        others = {spec.llm["carrier_mark"][0]: "the mark of usage carriers", self._mark: "the mark of content"}
        self._check(records, others | dict.fromkeys(self._name_keys, "the name of an event"))

    def _check(self, records: SpecTable, others: dict[str, str]) -> None:
        """A key that is content is taken before any other reader of it comes by: refuse the spec where there is one."""
        readers = [
            (source.key, f"column {records.name}.{column.name}")
            for column in records.columns
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

    def of_span(self, record: SpanRecord) -> Iterable[Taken]:
        """Take the content out of a span's attributes and events."""
        if not record.events and self._places.ordinary.issuperset(record.document):
            return ()
        return self._of_span(record)

    def _of_span(self, record: SpanRecord) -> Iterator[Taken]:
        carrier, of_events = self._carriers["span_attribute"], self._carriers["span_event"]
        for place, value in self._split(record.document, _NO_KEYS, marked=self._mark in record.document):
            yield Taken(place, value, carrier)
        for index, item in enumerate(record.events):
            document = item.get("attributes")
            if document:
                event = self._events.get(item.get("name", ""))
                for place, value in self._split(document, event.keys if event else _NO_KEYS, marked=False):
                    yield Taken(place, value, of_events, index)
                if not document:
                    del item["attributes"]

    def of_log(self, record: LoggedRecord) -> Iterable[Taken]:
        """Take the content out of a log record's attributes, and its body when it is a message event."""
        event = self._event_of(record)
        if event is None and self._places.ordinary.issuperset(record.document):
            return ()
        return self._of_log(record, event)

    def _of_log(self, record: LoggedRecord, event: Event | None) -> Iterator[Taken]:
        for place, value in self._split(record.document, event.keys if event else _NO_KEYS, marked=False):
            yield Taken(place, value, self._carriers["log_attribute"])
        if event is not None and record.body is not None:
            value, record.body = record.reader.value(record.body), None
            yield Taken(event.body, value, self._carriers["log_body"])

    def _event_of(self, record: LoggedRecord) -> Event | None:
        """The message event that the record is, by any of its names: where they differ, one that speaks of a message."""
        for name in (record.message.event_name, *[record.document.get(key) for key in self._name_keys]):
            if isinstance(name, str) and name in self._events:
                return self._events[name]
        return None

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
