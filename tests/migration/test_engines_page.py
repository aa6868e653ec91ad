"""docs/reference/engines.md: it is what the record renders to, and the record is what the probes find on the engines at hand."""

from __future__ import annotations

import os

import pytest

from tests.engines import page, record
from tests.engines.run import SECTIONS, probe

OF_THE_BUILD = {"compressed in a row by"}
"""Two servers of the same version may differ in it."""


def test_the_page_is_what_the_record_renders_to() -> None:
    assert page.FILE.read_text(encoding="utf-8") == page.render(record.read())


def test_every_capability_was_tried_everywhere() -> None:
    names = [capability.name for section in SECTIONS for capability in section.capabilities]
    assert len(set(names)) == len(names)
    for run in record.read():
        assert list(run.found) == names, run.name


async def test_the_server_of_the_tests_gives_what_is_on_record(database: str) -> None:
    embedded = "TEST_DATABASE_URL" not in os.environ
    await _compare(await probe(database, "embedded" if embedded else ""), certain=embedded)


async def test_timescaledb_in_webassembly_gives_what_is_on_record(wasm_timescale: str) -> None:
    await _compare(await probe(wasm_timescale, "WebAssembly"), certain=True)


async def _compare(run: record.Run, *, certain: bool) -> None:
    on_record = next((other for other in record.read() if other.release == run.release), None)
    if on_record is None and not certain:
        pytest.skip(f"{run.name} is not on record")
    assert on_record is not None, f"{run.name} is not on record: python -m tests.engines --write"
    left_out = set() if certain else OF_THE_BUILD
    assert {name: run.found[name] for name in run.found if name not in left_out} == {
        name: on_record.found[name] for name in on_record.found if name not in left_out
    }
