"""docs/reference/engines.md: it is what the record renders to, and that is what the probes find on the engines at hand."""

from __future__ import annotations

import os

import pytest

from tests.engines import page, record
from tests.engines.capability import NOT_TRIED
from tests.engines.run import SECTIONS, probe

pytestmark = pytest.mark.timeout(180)  # ten seconds each where nothing else runs

OF_THE_BUILD = {"compressed in a row by"}
"""Two servers of the same version may differ in it."""


def test_the_page_is_what_the_record_renders_to() -> None:
    assert page.FILE.read_text(encoding="utf-8") == page.render(record.read())


def test_every_capability_has_a_name_of_its_own() -> None:
    names = [capability.name for section in SECTIONS for capability in section.capabilities]
    assert sorted(set(names)) == sorted(names)


async def test_the_server_of_the_tests_gives_what_is_on_record(database: str) -> None:
    embedded = "TEST_DATABASE_URL" not in os.environ
    _compare(await probe(database, "embedded" if embedded else ""), certain=embedded)


async def test_timescaledb_in_webassembly_gives_what_is_on_record(wasm_timescale: str) -> None:
    _compare(await probe(wasm_timescale, "WebAssembly"), certain=True)


def _compare(run: record.Run, *, certain: bool) -> None:
    on_record = next((other for other in record.read() if other.release == run.release), None)
    if on_record is None and not certain:
        pytest.skip(f"{run.name} is not on record")
    assert on_record is not None, f"{run.name} is not on record: python -m tests.engines --write"
    left_out = {name for name, cell in run.found.items() if cell == NOT_TRIED}
    if not certain:
        left_out |= OF_THE_BUILD
    assert _without(run.found, left_out) == _without(on_record.found, left_out)


def _without(found: dict[str, str], names: set[str]) -> dict[str, str]:
    return {name: cell for name, cell in found.items() if name not in names}
