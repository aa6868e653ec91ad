r"""Attribute documents: OTLP attributes as the JSON text of a flat object. A second implementation writes the same bytes.

The format
- an object per attribute list, keys in the order in which they first came; of equal keys the last value is kept;
- no spaces; strings escape `"`, `\` and U+0000–U+001F (`\b \f \n \r \t`, else `\u00xx` in lower-case hex); all else is
  UTF-8;
- string, bool and null (an AnyValue without value) as they are; int64 as JSON integer;
- in documents that an id is computed from (resource, scope, labels, metadata) keys are in order of code points instead, at
  every level: their order says nothing;
- a double with |x| < 1e15 that is not -0.0: the shortest decimal that reads back to it, always with a point or an
  exponent (`0.7`, `1.0`, `5e-324`, `1e-05`: exponent below 1e-4, at least two digits). jsonb turns it into a numeric that
  keeps a point, so it stays a double;
- every other double as text: `{"$double":"1e+16"}`, `{"$double":"-0.0"}`, `NaN` (whatever its bits), `Infinity`, `-Infinity`:
  jsonb would turn 1e16 into an integer and -0.0 into 0.0, and has no NaN. The text is the shortest decimal that reads back:
  below 1e16 without exponent and ending in `.0` (`1000000000000000.0`), from there on one digit, the others after a point
  if there are any, `e+` and the exponent of at least two digits;
- bytes `{"$bytes":"<base64 with padding>"}`; an array a JSON array; a kvlist an object;
- keys that begin with `$`, at every level, get one more `$`: an object that holds `$double` or `$bytes` is always a tag.

Repairs: NUL in a string becomes U+FFFD (`nul_replaced`, once per string), duplicate keys (`duplicate_key`, once per value
left out), string table indexes are read as absent (`string_index_ignored`).

Nesting is bounded by upb, which refuses messages deeper than 100 frames (49 arrays) before this code sees them.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Collection, Iterable
from json import JSONEncoder
from json.encoder import encode_basestring
from math import copysign
from typing import Any, TypeAlias

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

PLAIN_DOUBLE_LIMIT = 1e15

PIECE_CHARACTERS = 65_536
"""What is longer is rendered in pieces: one character beyond U+FFFF makes all of its str take four bytes a character, and
escapes make that up to six times as long."""

Value: TypeAlias = Any
"""str, bool, int, float, None, list or dict, as it stands in the document."""

_nested = JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False, allow_nan=False).encode
_in_order = JSONEncoder(ensure_ascii=False, separators=(",", ":"), check_circular=False, allow_nan=False, sort_keys=True).encode
_string: Any = encode_basestring
_WORDS = {None: "null", True: "true", False: "false"}


def render(document: dict[str, Value]) -> bytes:
    """The JSON text of a document."""
    return _small(document.items(), _nested) or b"".join(_pieces(document))


def render_sorted(document: dict[str, Value]) -> bytes:
    """The JSON text of a document whose keys, at every level, are in order of code points: for what is part of an id."""
    return _small(sorted(document.items()), _in_order) or b"".join(_pieces(document, ordered=True))


def _small(items: Iterable[tuple[str, Value]], encode: Callable[[Value], str]) -> bytes:
    """The JSON text of a document, empty if it has more than PIECE_CHARACTERS.

    Scalars, which are nearly all, skip the general encoder (1.4 against 2.1 µs).
    """
    parts = []
    left = PIECE_CHARACTERS
    for key, value in items:
        kind = type(value)
        if kind is str:
            left -= len(key) + len(value)
            if left < 0:
                return b""
            parts.append(f"{_string(key)}:{_string(value)}")
        elif kind is int or kind is float:
            left -= len(key)
            if left < 0:
                return b""
            parts.append(f"{_string(key)}:{value!r}")
        else:
            left -= len(key) + _characters(value)
            if left < 0:
                return b""
            parts.append(f"{_string(key)}:{encode(value)}")
    return ("{" + ",".join(parts) + "}").encode()


def render_list(items: list[dict[str, Value]]) -> bytes:
    """The JSON text of a list of objects."""
    return render_value(items)


def render_value(value: Value) -> bytes:
    """The JSON text of any value."""
    if _characters(value) > PIECE_CHARACTERS:
        return b"".join(_pieces(value))
    return _nested(value).encode()


def render_numbers(value: dict[str, Value]) -> bytes:
    """The JSON text of numbers under names of ours: all ASCII, and no longer than there are values, so never in pieces."""
    return _nested(value).encode()


def _characters(value: Value) -> int:
    """How many characters the strings in `value` have, keys included."""
    kind = type(value)
    if kind is dict:
        total, items = sum(map(len, value)), value.values()
    elif kind is list:
        total, items = 0, value
    else:
        return len(value) if kind is str else 0
    for item in items:
        kind = type(item)
        if kind is str:
            total += len(item)
        elif kind is dict or kind is list:
            total += _characters(item)
    return total


def _pieces(value: Value, *, ordered: bool = False) -> list[bytes]:
    """The JSON text of a value in pieces, none of which comes of more than PIECE_CHARACTERS."""
    pieces: list[bytes] = []
    _write(value, pieces.append, ordered=ordered)
    return pieces


def _write(value: Value, write: Callable[[bytes], None], *, ordered: bool) -> None:
    kind = type(value)
    if kind is str:
        _write_string(value, write)
    elif kind is dict:
        before = b"{"
        for key, item in sorted(value.items()) if ordered else value.items():
            write(before)
            _write_string(key, write)
            write(b":")
            _write(item, write, ordered=ordered)
            before = b","
        write(b"}" if value else b"{}")
    elif kind is list:
        before = b"["
        for item in value:
            write(before)
            _write(item, write, ordered=ordered)
            before = b","
        write(b"]" if value else b"[]")
    else:
        write((repr(value) if kind is int or kind is float else _WORDS[value]).encode())


def _write_string(value: str, write: Callable[[bytes], None]) -> None:
    """Escaped slice by slice, which a slice's neighbours say nothing to; CPython narrows each to what it needs itself."""
    if len(value) <= PIECE_CHARACTERS:
        write(_string(value).encode())
        return
    write(b'"')
    for at in range(0, len(value), PIECE_CHARACTERS):
        write(_string(value[at : at + PIECE_CHARACTERS])[1:-1].encode())
    write(b'"')


def double(value: float) -> Value:
    """A double as it stands in a document."""
    if -PLAIN_DOUBLE_LIMIT < value < PLAIN_DOUBLE_LIMIT and (value or copysign(1.0, value) > 0):
        return value
    if value != value:  # noqa: PLR0124  # NaN
        return {"$double": "NaN"}
    if value in (float("inf"), float("-inf")):
        return {"$double": "Infinity" if value > 0 else "-Infinity"}
    return {"$double": repr(value)}


class DocumentReader:
    """Turns protobuf attributes into documents, and counts what it had to change."""

    __slots__ = ("repaired",)

    def __init__(self, repaired: dict[str, int]) -> None:
        self.repaired = repaired

    def count(self, rule: str, times: int = 1) -> None:
        """One more repair of that rule."""
        self.repaired[rule] = self.repaired.get(rule, 0) + times

    def text(self, value: str) -> str:
        """`value` as PostgreSQL can hold it."""
        if "\0" in value:
            self.count("nul_replaced")
            return value.replace("\0", "\ufffd")
        return value

    def attributes(self, pairs: Collection[KeyValue]) -> dict[str, Value]:
        """An attribute list as a document."""
        document: dict[str, Value] = {}
        for pair in pairs:
            key = pair.key
            any_value = pair.value
            # Four of five attributes are strings; reading the field first spares them the slower WhichOneof.
            value = any_value.string_value
            if not value:
                value = self.value(any_value)
            elif "\0" in value:
                value = self.text(value)
            if not key:
                if pair.key_strindex:
                    self.count("string_index_ignored")
            elif key[0] == "$":
                key = "$" + key
            if "\0" in key:
                key = self.text(key)
            document[key] = value
        repeated = len(pairs) - len(document)
        if repeated:
            self.count("duplicate_key", repeated)
        return document

    def value(self, any_value: AnyValue) -> Value:
        """One value as it stands in a document."""
        value: Value = None
        match any_value.WhichOneof("value"):
            case "int_value":
                value = any_value.int_value
            case "string_value":
                value = self.text(any_value.string_value)
            case "double_value":
                value = double(any_value.double_value)
            case "bool_value":
                value = any_value.bool_value
            case "array_value":
                value = [self.value(item) for item in any_value.array_value.values]
            case "kvlist_value":
                value = self.attributes(any_value.kvlist_value.values)
            case "bytes_value":
                value = {"$bytes": b64encode(any_value.bytes_value).decode("ascii")}
            case "string_value_strindex":
                self.count("string_index_ignored")
        return value
