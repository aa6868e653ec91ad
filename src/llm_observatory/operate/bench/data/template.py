"""A request that is sent again and again: other trace ids and times are written over the old ones, at places that are known.

That costs a tenth of what serializing costs: whoever makes the load shares the cores with what is measured.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Sequence
from random import Random

RENEWED_NS = 2 * 10**9
"""How old times may become that are not of the essence of a request."""

ID_BYTES = 16
_ID_MARK, _TIME_MARK = b"\xf7\x9dObservatory", 0x7B5D_0000_0000_0000
_TIME_TAIL = struct.pack("<Q", _TIME_MARK)[4:]
_TIME = struct.Struct("<Q")


class Marks:
    """What stands in a message while it is made: an id of a trace, and a time so long before now."""

    def __init__(self) -> None:
        self.ids = 0
        self.ages: list[int] = []

    def trace_id(self) -> bytes:
        """Of a new trace."""
        self.ids += 1
        return _ID_MARK + (self.ids - 1).to_bytes(ID_BYTES - len(_ID_MARK), "big")

    def time(self, age_ns: int) -> int:
        """A fixed64 that will be so many nanoseconds before the request is sent."""
        self.ages.append(age_ns)
        return _TIME_MARK + len(self.ages) - 1


class Template:
    """`always_renewed`: times tell this request from the one before, for nothing else does."""

    def __init__(self, message: bytes, marks: Marks, *, always_renewed: bool = False) -> None:
        self._bytes = bytearray(message)
        self._ids: Sequence[list[int]] = [[] for _ in range(marks.ids)]
        for found in re.finditer(re.escape(_ID_MARK), message):
            place = found.start()
            self._ids[int.from_bytes(message[place + len(_ID_MARK) : place + ID_BYTES], "big")].append(place)
        self._times = [
            (found.start() - 4, marks.ages[int.from_bytes(message[found.start() - 4 : found.start()], "little")])
            for found in re.finditer(re.escape(_TIME_TAIL), message)
        ]
        if not all(self._ids) or len(self._times) != len(marks.ages):
            raise ValueError("a mark is missing in the message, or there by chance")
        self._stale_after = 0 if always_renewed else RENEWED_NS
        self._renewed = -RENEWED_NS
        self._count = 0

    def stamped(self, random: Random, now: int) -> bytes:
        """The request with fresh ids; its times are those of `now` (nanoseconds), or nearly."""
        if now - self._renewed >= self._stale_after:
            self._renewed = now
            self._count += 1
            for place, age in self._times:
                # The count tells two requests of one moment apart.
                _TIME.pack_into(self._bytes, place, now - age + self._count % 1000)
        fresh = random.randbytes(ID_BYTES * len(self._ids))
        for number, places in enumerate(self._ids):
            identity = fresh[number * ID_BYTES : (number + 1) * ID_BYTES]
            for place in places:
                self._bytes[place : place + ID_BYTES] = identity
        return bytes(self._bytes)
