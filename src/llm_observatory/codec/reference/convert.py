"""Attribute values of any dialect as the value of a typed column.

A conversion takes a value as it stands in a document and gives `(value, exact)`, or None where nothing usable was
reported. `exact` says that the column alone gives the attribute back: same type, same value.

- Blank strings and the spec's `absent_text` (after trimming ASCII white space) are absent.
- int: int64; a double or a string that is integral and within int64. float: a finite double; an integer; a string.
- Numbers in strings are decimal: optional sign, digits, point, exponent; at most 64 characters.
- bool: bool; `true` or `false` in any case. text: a string as it is; an integer as decimal digits (ids).
- text_list: an array of strings, a JSON array of strings in a string, or one plain string. Empty, and all blank: absent.
- provider, operation, finish_reasons: text and lists of text folded by the spec's maps; only ASCII letters are lower-cased.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from math import isfinite
from typing import Any, TypeAlias

from llm_observatory.codec.reference.accepted import INT64_MAX, INT64_MIN
from llm_observatory.codec.reference.document import Value

Converted: TypeAlias = tuple[Any, bool] | None
Converter: TypeAlias = Callable[[Value], Converted]

WHITE_SPACE = " \t\n\r\f\v"
NUMBER_TEXT_MAX = 64
JSON_LIST_TEXT_MAX = 65_536
"""A longer string is not read as a JSON array but taken as one plain string."""

_INTEGER = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_NULS = str.maketrans({"\0": "\ufffd"})


def number(value: Value) -> int | float | None:
    """The finite number that `value` stands for."""
    kind = type(value)
    if kind is int:
        return int(value)
    if kind is dict:
        tagged = value.get("$double")
        value = float(tagged) if type(tagged) is str else None
    elif kind is str:
        value = _number_in(value.strip(WHITE_SPACE))
    elif kind is not float:
        return None
    return value if value is not None and isfinite(value) else None


def _number_in(text: str) -> int | float | None:
    if len(text) > NUMBER_TEXT_MAX:
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _DECIMAL.fullmatch(text) else None


def integer(value: Value) -> Converted:
    """An int8 column's value."""
    if type(value) is int:
        return value, True
    found = number(value)
    if found is None or found != int(found) or not INT64_MIN <= found <= INT64_MAX:
        return None
    return int(found), False


def floating(value: Value) -> Converted:
    """A float8 column's value."""
    if type(value) is float:
        return value, True
    found = number(value)
    # 2^63 of OTLP and 64 digits of text are far below the largest double: float() cannot overflow here.
    return None if found is None else (float(found), type(value) is dict)


def seconds_to_ms(value: Value) -> Converted:
    """Milliseconds from seconds. Never exact: the product need not lead back to the factor."""
    found = number(value)
    if found is None or not isfinite(milliseconds := float(found) * 1000.0):
        return None
    return milliseconds, False


def boolean(value: Value) -> Converted:
    """A bool column's value."""
    if type(value) is bool:
        return value, True
    if type(value) is str:
        match lowered(value.strip(WHITE_SPACE)):
            case "true":
                return True, False
            case "false":
                return False, False
    return None


def lowered(text: str) -> str:
    """ASCII letters in lower case, all else untouched: Unicode's tables differ between versions."""
    return text.lower() if text.isascii() else text.translate(_ASCII_LOWER)


def json_list(text: str) -> list[str] | None:
    """The strings of a JSON array in `text`; None when it is anything else."""
    if not text.startswith("[") or len(text) > JSON_LIST_TEXT_MAX:
        return None
    try:
        found = json.loads(text)
        json.dumps(found, ensure_ascii=False).encode()
    except (ValueError, RecursionError):  # not JSON, lone surrogates, or brackets without end
        return None
    if not isinstance(found, list) or not all(type(item) is str for item in found):
        return None
    return [item.translate(_NULS) for item in found]


class Conversions:
    """The conversions that depend on the spec's `llm` section, and those that do not, by name."""

    NAMES = frozenset({"text", "int", "float", "bool", "seconds_to_ms", "text_list", "provider", "operation", "finish_reasons"})

    def __init__(self, llm: Mapping[str, Any]) -> None:
        self._absent = frozenset(llm["absent_text"])
        self._providers: dict[str, str] = llm["provider_aliases"]
        self._dotted = frozenset(llm["dotted_providers"])
        self._frameworks = frozenset(llm["frameworks"])
        self._operations: dict[str, str] = llm["operation_aliases"]
        self._finish_reasons: dict[str, str] = llm["finish_reason_aliases"]
        self.by_name: dict[str, Converter] = {
            "text": self.text,
            "int": integer,
            "float": floating,
            "bool": boolean,
            "seconds_to_ms": seconds_to_ms,
            "text_list": self.text_list,
            "provider": self.provider,
            "operation": self.operation,
            "finish_reasons": self.finish_reasons,
        }

    def text(self, value: Value) -> Converted:
        """A text column's value."""
        if type(value) is str:
            return None if value.strip(WHITE_SPACE) in self._absent else (value, True)
        if type(value) is int:
            return str(value), False
        return None

    def provider(self, value: Value) -> Converted:
        """A well-known provider name; frameworks are not providers."""
        if type(value) is not str or (trimmed := value.strip(WHITE_SPACE)) in self._absent:
            return None
        name = lowered(trimmed)
        parts = name.split(".", 2)
        stems = (stem for stem in (".".join(parts[:2]), parts[0]) if stem in self._dotted and stem != name)
        if name in self._providers:
            name = self._providers[name]
        elif (stem := next(stems, None)) is not None:
            name = self._providers.get(stem, stem)
        elif name in self._frameworks:
            return None
        return name, name == value

    def operation(self, value: Value) -> Converted:
        """A `gen_ai.operation.name`."""
        if type(value) is not str or (trimmed := value.strip(WHITE_SPACE)) in self._absent:
            return None
        name = self._operations.get(trimmed, trimmed)
        return name, name == value

    def text_list(self, value: Value) -> Converted:
        """A text[] column's value."""
        exact = type(value) is list
        items: list[Any]
        if exact:
            items = value
        elif type(value) is str:
            trimmed = value.strip(WHITE_SPACE)
            listed = json_list(trimmed)
            items = [trimmed] if listed is None else listed
        else:
            return None
        for item in items:
            if type(item) is not str:
                return None
        if all(item.strip(WHITE_SPACE) in self._absent for item in items):
            return None
        return items, exact

    def finish_reasons(self, value: Value) -> Converted:
        """A list of finish reasons, folded."""
        converted = self.text_list(value)
        if converted is None:
            return None
        items, exact = converted
        folded = [self._finish_reasons.get(item.strip(WHITE_SPACE), item) for item in items]
        return folded, exact and folded == items
