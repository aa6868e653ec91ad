"""The golden corpus: what the codec makes of each request is what the file says, to the byte.

The files are the truth for every implementation. A change that is meant is written with `python -m tests.golden --write`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from llm_observatory import tables
from llm_observatory.tables.rules import ODDITIES, REFUSED_BY_DATABASE, REJECTIONS, REPAIRS
from tests.golden.case import difference, paths, read

PATHS = paths()
TOTAL_MAX_BYTES = 2_000_000
TOO_LARGE_FOR_A_FILE = {
    "too_many_values",
    "row_too_large",
    "request_rows_too_large",
    "too_much_content",
    "sources_too_large",
    REFUSED_BY_DATABASE,
}
"""Rules of limits, whose requests are megabytes, and the one that is the database's."""


def name_of(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


EXPECTED: dict[str, Any] = {name_of(path): read(path)[1] for path in PATHS}


@pytest.mark.parametrize("path", PATHS, ids=name_of)
def test_golden(path: Path) -> None:
    case, expected = read(path)
    assert case.path == path
    made = case.made()
    found = difference(expected, made)
    assert found is None, f"{name_of(path)}: {found}"
    assert made == expected


@pytest.mark.parametrize("path", PATHS, ids=name_of)
def test_the_file_says_what_the_request_is(path: Path) -> None:
    case, _ = read(path)
    given = json.loads(path.read_text(encoding="ascii"))
    assert {name: given[name] for name in ("digest", "signal")} == {"digest": case.digest.hex(), "signal": path.parent.name}


def test_every_rule_has_a_case() -> None:
    """All that a small request can break."""
    seen = {rule for made in EXPECTED.values() for count in ("rejected_by_rule", "repaired", "odd") for rule in made[count]}
    assert seen == {*REJECTIONS, *REPAIRS, *ODDITIES} - TOO_LARGE_FOR_A_FILE


def test_every_column_is_filled_somewhere() -> None:
    filled: dict[str, set[str]] = {}
    for made in EXPECTED.values():
        of_dimensions = [(table, rows) for table, named in made["dimensions"].items() for rows in named.values()]
        for table, rows in [*made["tables"].items(), *of_dimensions]:
            filled.setdefault(table, set()).update(*rows["rows"])
    # What no codec fills has no ops: what is filed, fed or filtered behind it.
    written = [table for table in tables.TABLES if any(column.op not in ("none", "request.tenant") for column in table.columns)]
    missing = {
        f"{table.name}.{column.name}" for table in written for column in table.columns if column.name not in filled[table.name]
    }
    assert missing == set()


def test_the_corpus_stays_small() -> None:
    assert sum(path.stat().st_size for path in PATHS) < TOTAL_MAX_BYTES


def _column(made: Any) -> None:
    made["tables"]["llm_traces"]["rows"][1]["span_name"] = "other"


def _null(made: Any) -> None:
    del made["tables"]["llm_traces"]["rows"][0]["environment"]


def _bytes(made: Any) -> None:
    made["tables"]["trace_index"]["blake2b"] = "00"


def _row(made: Any) -> None:
    made["tables"]["ingest_touched"]["rows"].clear()


def _table(made: Any) -> None:
    del made["tables"]["ingest_touched"]


def _dimension(made: Any) -> None:
    next(iter(made["dimensions"]["telemetry_sources"].values()))["rows"][0]["scope_name"] = "other"


def _count(made: Any) -> None:
    made["accepted"] += 1


@pytest.mark.parametrize(
    "change, words",
    [
        (_column, "table llm_traces row 1 column span_name: 'other'"),
        (_null, "table llm_traces row 0 column environment: None"),
        (_bytes, "table trace_index: the values are the same, their bytes are not"),
        (_row, "table ingest_touched: 0 rows, expected 1"),
        (_table, "tables ['llm_traces', 'trace_index'], expected"),
        (_dimension, " row 0 column scope_name: 'other'"),
        (_count, "accepted: 5, expected 4"),
    ],
)
def test_a_difference_is_named(change: Callable[[Any], None], words: str) -> None:
    expected = EXPECTED["traces/sources"]
    made = deepcopy(expected)
    assert difference(expected, made) is None
    change(made)
    assert words in str(difference(expected, made))
