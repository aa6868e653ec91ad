"""Every block that a reader could copy and run says what becomes of it."""

from __future__ import annotations

import re

import pytest

from tests.plugins.documents import EXECUTABLE, TOP, Block, blocks

BLOCKS = list(blocks())


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.language in EXECUTABLE], ids=lambda block: block.name)
def test_a_block_is_run_or_says_why_not(block: Block) -> None:
    tested = re.fullmatch(r"\(tested: (tests/[\w/]+\.py)\)", block.said)
    if tested:
        assert block.page.name in (TOP / tested[1]).read_text(encoding="utf-8"), f"{tested[1]} does not name this page"
    else:
        assert re.fullmatch(r"run( timescaledb)?|\(not run: [^)]{4,}\)", block.said)


def test_fences_are_closed() -> None:
    for page in {block.page for block in BLOCKS}:
        found = sum(block.page == page for block in BLOCKS)
        assert len(re.findall(r"^ *```", page.read_text(encoding="utf-8"), re.MULTILINE)) == 2 * found, page


def test_some_are_run() -> None:
    assert sum(block.runs for block in BLOCKS) > 20
