"""JSON read piece by piece, so that no more of a large request is held as Python objects than one record.

As objects JSON takes 8 times its size where it is telemetry, and 67 times where it is `{}` over and over: 64 MiB would be
4 GB. So the levels around the records are read member by member and element by element, and only what stands at the end of
the way is made as a whole, if it is not too much for that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from llm_observatory.otlp.json.scalars import Unfit
from llm_observatory.tables.rules import VALUES_MAX

UNCOUNTED_CHARACTERS = 1024 * 1024
"""A body up to this size is read without counting what it holds: at its worst it becomes 70 MB."""

TOKENS_MAX = 20 * VALUES_MAX
"""Strings, brackets and commas of one value that is made as a whole. An attribute has a dozen; the codec refuses records of
more than VALUES_MAX attributes. At its worst so much becomes 200 MB."""

_SPACE = re.compile(r"[ \t\n\r]*")
_TOKEN = re.compile(r'[^"\[\]{},]*+(?:"(?:[^"\\]++|\\.)*+"|[\[\]{},])', re.DOTALL)


class NotJson(Exception):
    """The body is no JSON from here on."""


class TooManyElements(Exception):
    """More elements have been read piece by piece than was allowed."""


class GivenUp(Exception):
    """Reading was stopped: it takes too long, or nobody waits for it any more."""


LOOK_EVERY = 64
"""Members and elements between two looks at whether to go on."""


class Cursor:
    """A place in a JSON text. What was read is behind it.

    `most_elements` may be read by `elements`, of all arrays. `is_over` is asked now and then; reading ends when it is true.
    """

    def __init__(self, text: str, most_elements: int, is_over: Callable[[], bool] = lambda: False) -> None:
        self._is_over = is_over
        self._steps = 0
        self._text = text
        self._elements_left = most_elements
        self._at = 0
        self._counts = len(text) > UNCOUNTED_CHARACTERS

    def peek(self) -> str:
        """The next character that is no space; "" at the end."""
        found = self._text[self._at : self._at + 1]
        if found.isspace() and (space := _SPACE.match(self._text, self._at)):
            self._at = space.end()
            return self._text[self._at : self._at + 1]
        return found

    def value(self) -> Any:
        """The next value. NotJson; or Unfit, behind it, when it nests too deeply or holds too much."""
        self.peek()
        if self._counts and (end := self._end_beyond(TOKENS_MAX)) is not None:
            self._at = end
            raise Unfit("holds too much")
        try:
            value, self._at = _scan(self._text, self._at)
        except RecursionError:
            end = self._end_beyond(0)
            if end is None:
                raise NotJson("it nests too deeply") from None
            self._at = end
            raise Unfit("nests too deeply") from None
        return value

    def members(self) -> Iterator[str]:
        """The keys of the object here, each before its value; the value must be read before the next key is asked for."""
        self._expect("{")
        if self.peek() == "}":
            self._at += 1
            return
        while True:
            if self.peek() != '"':
                raise self._fault("expecting a property name in double quotes")
            key, self._at = _scan(self._text, self._at)
            self._expect(":")
            self._step()
            yield key
            if self._over("}"):
                return

    def elements(self) -> Iterator[int]:
        """The numbers of the elements of the array here, each before its element, as for `members`. TooManyElements."""
        self._expect("[")
        if self.peek() == "]":
            self._at += 1
            return
        number = 0
        while True:
            if not self._elements_left:
                raise TooManyElements
            self._elements_left -= 1
            self._step()
            yield number
            number += 1
            if self._over("]"):
                return

    def end(self) -> None:
        """Nothing may follow. NotJson."""
        if self.peek():
            raise self._fault("extra data")

    def _step(self) -> None:
        self._steps += 1
        if self._steps % LOOK_EVERY == 0 and self._is_over():
            raise GivenUp

    def _over(self, closing: str) -> bool:
        """Take a comma, or the end of an object or array."""
        found = self.peek()
        if found not in (",", closing) or not found:
            raise self._fault(f"expecting a comma or {closing}")
        self._at += 1
        return found == closing

    def _expect(self, character: str) -> None:
        if self.peek() != character:
            raise self._fault(f"expecting {character}")
        self._at += 1

    def _end_beyond(self, tokens: int) -> int | None:
        """Where the value here ends if it has more than so many tokens; None if it has not, or does not end."""
        depth, at, count = 0, self._at, 0
        while (token := _TOKEN.match(self._text, at)) is not None:
            at = token.end()
            count += 1
            last = self._text[at - 1]
            depth += (last in "[{") - (last in "]}")
            if depth <= 0:
                return at if count > tokens else None
        return None

    def _fault(self, what: str) -> NotJson:
        before = self._text[: self._at]
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        return NotJson(f"{what} at line {line}, column {column}")


def _integer(digits: str) -> int | float:
    """An integer; one that is longer than Python reads (4,300 digits) is an infinity."""
    try:
        return int(digits)
    except ValueError:
        return float(digits)


def _scan(text: str, at: int) -> tuple[Any, int]:
    """The value that begins exactly here, and where it ends. NotJson, RecursionError."""
    try:
        try:
            return _DECODER.raw_decode(text, at)
        except json.JSONDecodeError:
            raise
        except ValueError:  # an integer of more digits than Python reads
            return _PATIENT_DECODER.raw_decode(text, at)
    except json.JSONDecodeError as error:
        raise NotJson(f"{error.msg} at line {error.lineno}, column {error.colno}") from None


_DECODER = json.JSONDecoder()
_PATIENT_DECODER = json.JSONDecoder(parse_int=_integer)
