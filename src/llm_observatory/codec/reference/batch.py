"""What has been made of a request so far: rows by table, what was refused, repaired or odd, and when its records were."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from llm_observatory.codec.reference.document import DocumentReader
from llm_observatory.codec.request import EncodedRequest, EncodedTable, Rejection
from llm_observatory.tables.limits import CHUNK_BYTES, REJECTION_SAMPLES
from llm_observatory.tables.rules import ESCAPED_MAX, REQUEST_ROWS_MAX_BYTES

HOUR_US = 3_600_000_000


class Rows:
    """Rows of one table, joined to chunks of about CHUNK_BYTES; `joined` hears the bytes of each."""

    __slots__ = ("_chunks", "_joined", "_pending", "_size", "count")

    def __init__(self, joined: Callable[[int], None]) -> None:
        self.count = 0
        self._joined = joined
        self._pending: list[bytes] = []
        self._size = 0
        self._chunks: list[bytes] = []

    def add(self, row: bytes) -> None:
        """One more COPY row."""
        self.count += 1
        self._pending.append(row)
        self._size += len(row)
        if self._size >= CHUNK_BYTES:
            self._join()

    def table(self, name: str) -> EncodedTable:
        """All of them."""
        if self._pending:
            self._join()
        return EncodedTable(name, self.count, tuple(self._chunks))

    def _join(self) -> None:
        self._chunks.append(b"".join(self._pending))
        self._pending.clear()
        self._joined(self._size)
        self._size = 0


class Batch:
    """One request on its way. `reader` counts repairs; `tables` and `dimensions` are filled by whoever encodes.

    `payload_bytes` is the size of the request.
    """

    def __init__(self, tenant: str, now: int, payload_bytes: int) -> None:
        self.tenant = tenant
        self.now = now
        self._max_bytes = max(REQUEST_ROWS_MAX_BYTES, ESCAPED_MAX * payload_bytes)
        self.repaired: dict[str, int] = {}
        self.odd: dict[str, int] = {}
        self.reader = DocumentReader(self.repaired)
        self.tables: dict[str, Rows] = {}
        self._joined_bytes = 0
        self.dimensions: dict[str, dict[bytes, bytes]] = {}
        self.dimension_bytes = 0
        self.hours: dict[int, set[bytes]] = {}
        self.untimed = False
        self._accepted = 0
        self._first: int | None = None
        self._last: int | None = None
        self._rejected: list[Rejection] = []
        self._rejected_by_rule: dict[str, int] = {}

    def full(self) -> str | None:
        """The rule that refuses the next record, when the rows take all that those of one request may."""
        return "request_rows_too_large" if self._joined_bytes > self._max_bytes else None

    def rows(self, table: str) -> Rows:
        """The rows of that table, to add to."""
        if table not in self.tables:
            self.tables[table] = Rows(self._joined)
        return self.tables[table]

    def _joined(self, size: int) -> None:
        self._joined_bytes += size

    def accept(self, time_us: int) -> set[bytes]:
        """One more record, at that time. Returns the trace ids of its hour, to add its own to."""
        self._accepted += 1
        if self._first is None or self._last is None:
            self._first = self._last = time_us
        elif time_us < self._first:
            self._first = time_us
        elif time_us > self._last:
            self._last = time_us
        hour = time_us // HOUR_US
        if hour not in self.hours:
            self.hours[hour] = set()
        return self.hours[hour]

    def reject(self, path: str, rule: str) -> None:
        """One record refused."""
        self._rejected_by_rule[rule] = self._rejected_by_rule.get(rule, 0) + 1
        if len(self._rejected) < REJECTION_SAMPLES:
            self._rejected.append(Rejection(path, rule))

    def note(self, rule: str) -> None:
        """Something odd, stored as it came."""
        self.odd[rule] = self.odd.get(rule, 0) + 1

    def name(self, table: str, identity: bytes, row: bytes) -> None:
        """A row of `table` is what an accepted record names by `identity`."""
        known = self.dimensions.setdefault(table, {})
        if identity not in known:
            known[identity] = row
            self.dimension_bytes += len(row)

    def encoded(self, order: Iterable[str]) -> EncodedRequest:
        """The result; `order` are all tables in writing order."""
        order = tuple(order)
        return EncodedRequest(
            tables=tuple(self.tables[name].table(name) for name in order if name in self.tables),
            accepted=self._accepted,
            dimensions={name: self.dimensions[name] for name in order if name in self.dimensions},
            rejected=tuple(self._rejected),
            rejected_by_rule=self._rejected_by_rule,
            repaired=self.repaired,
            odd=self.odd,
            hours=tuple(hour * HOUR_US for hour in sorted(self.hours)),
            min_time=self._first,
            max_time=self._last,
            untimed=self.untimed,
        )
