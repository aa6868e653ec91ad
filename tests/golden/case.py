"""One case of the golden corpus: a request, and all that the codec makes of it, in a form that people and programs read.

A row is an object of its columns without those that are NULL. Values: text as it is; jsonb as its JSON text; bytea and uuid in
hexadecimal; timestamptz in microseconds and date in days since 1970-01-01; a double that JSON cannot hold, and -0.0, as a
string. `blake2b` (32 bytes) is over the bytes themselves, rows of a table joined.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from math import copysign, isfinite
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf import text_format
from google.protobuf.message import DecodeError

from llm_observatory import codec, tables
from llm_observatory.codec import EncodedRequest, Terms
from llm_observatory.codec.answer import RESPONSES
from llm_observatory.codec.reference.decode import fields
from llm_observatory.storage.binary import split_rows
from tests.plugins.otlp_messages import NOW, REQUESTS
from tests.unit.codec.spans import TERMS

FOLDER = Path(__file__).parent
Json = Any


class Case(NamedTuple):
    """What is given to the codec."""

    signal: str
    name: str
    about: str
    payload: bytes
    terms: Terms = TERMS
    now: int = NOW
    tenant: str = "default"

    @property
    def path(self) -> Path:
        """Its file."""
        return FOLDER / self.signal / f"{self.name}.json"

    @property
    def digest(self) -> bytes:
        """That of the request."""
        return codec.digest(self.signal, self.tenant, self.payload)

    def given(self) -> Json:
        """As it stands in the file."""
        return {
            "about": self.about,
            "signal": self.signal,
            "tenant": self.tenant,
            "now": self.now,
            "terms": self.terms._asdict(),
            "digest": self.digest.hex(),
            "request": b64encode(self.payload).decode(),
            "request_as_text": _as_text(REQUESTS[self.signal], self.payload),
        }

    def made(self) -> Json:
        """What the codec makes of it now."""
        encoded = codec.encode(self.signal, self.tenant, self.payload, self.digest, self.now, self.terms)
        answer = codec.answer(self.signal, encoded)
        return {
            "accepted": encoded.accepted,
            "rejected": [list(rejection) for rejection in encoded.rejected],
            "rejected_by_rule": dict(sorted(encoded.rejected_by_rule.items())),
            "repaired": dict(sorted(encoded.repaired.items())),
            "odd": dict(sorted(encoded.odd.items())),
            "min_time": encoded.min_time,
            "max_time": encoded.max_time,
            "hours": list(encoded.hours),
            "untimed": encoded.untimed,
            "answer_as_text": _as_text(RESPONSES[self.signal][0], answer),
            "answer": answer.hex(),
            "tables": _tables(encoded),
            "dimensions": {
                name: {identity.hex(): _rows(name, [row]) for identity, row in rows.items()}
                for name, rows in encoded.dimensions.items()
            },
        }


def read(path: Path) -> tuple[Case, Json]:
    """A case and what the codec is to make of it."""
    given = json.loads(path.read_text(encoding="ascii"))
    payload = b64decode(given["request"])
    case = Case(given["signal"], path.stem, given["about"], payload, Terms(**given["terms"]), given["now"], given["tenant"])
    return case, given["expected"]


def write(case: Case) -> None:
    """The case with what the codec makes of it now."""
    case.path.parent.mkdir(exist_ok=True)
    text = json.dumps(case.given() | {"expected": case.made()}, indent=1)
    case.path.write_text(text + "\n", encoding="ascii")


def paths() -> list[Path]:
    """All files."""
    return sorted(FOLDER.glob("*/*.json"))


def _as_text(type_: Any, data: bytes) -> list[str] | None:
    """Lines of protobuf text; None where protobuf cannot read it."""
    try:
        message = type_.FromString(data)
    except DecodeError:
        return None
    return str(text_format.MessageToString(message, as_utf8=True)).splitlines()


def _tables(encoded: EncodedRequest) -> dict[str, Json]:
    return {
        table.name: _rows(table.name, list(split_rows(table.chunks, len(tables.BY_NAME[table.name].columns))))
        for table in encoded.tables
    }


def _rows(table: str, rows: Iterable[bytes]) -> Json:
    """COPY rows, readable, and the digest of their bytes."""
    columns = tables.BY_NAME[table].columns
    rows = list(rows)
    found = []
    for row in rows:
        pairs = zip(columns, codec.tuple_fields(row), strict=True)
        found.append({column.name: readable(column.type, data) for column, data in pairs if data is not None})
    return {"blake2b": blake2b(b"".join(rows), digest_size=32).hexdigest(), "rows": found}


def readable(type_: str, data: bytes) -> Json:
    """One field."""
    if type_ == "jsonb":
        return data[1:].decode()
    value = fields.decoder(type_)(data)
    return [_plain(item) for item in value] if isinstance(value, list) else _plain(value)


def _plain(value: Any) -> Json:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, float) and not (isfinite(value) and (value or copysign(1, value) > 0)):
        return repr(value)
    return value


def difference(expected: Json, made: Json) -> str | None:
    """The first thing that differs: which table, row and column. None when all is the same."""
    for name in made:
        if name not in ("tables", "dimensions") and expected[name] != made[name]:
            return f"{name}: {made[name]!r}, expected {expected[name]!r}"
    found = _in_named(expected["tables"], made["tables"], "table")
    if found is not None:
        return found
    if list(expected["dimensions"]) != list(made["dimensions"]):
        return f"dimensions {list(made['dimensions'])}, expected {list(expected['dimensions'])}"
    for table, rows in expected["dimensions"].items():
        found = _in_named(rows, made["dimensions"][table], f"dimension {table}")
        if found is not None:
            return found
    return None


def _in_named(expected: Mapping[str, Json], made: Mapping[str, Json], what: str) -> str | None:
    if list(expected) != list(made):
        return f"{what}s {list(made)}, expected {list(expected)}"
    differences = (_in_rows(expected[name], made[name], f"{what} {name}") for name in expected)
    return next((found for found in differences if found is not None), None)


def _in_rows(expected: Json, made: Json, where: str) -> str | None:
    if len(expected["rows"]) != len(made["rows"]):
        return f"{where}: {len(made['rows'])} rows, expected {len(expected['rows'])}"
    for number, (wanted, row) in enumerate(zip(expected["rows"], made["rows"], strict=True)):
        for column in dict.fromkeys([*wanted, *row]):
            if json.dumps(wanted.get(column)) != json.dumps(row.get(column)):
                return f"{where} row {number} column {column}: {row.get(column)!r}, expected {wanted.get(column)!r}"
    if expected["blake2b"] != made["blake2b"]:
        return f"{where}: the values are the same, their bytes are not"
    return None
