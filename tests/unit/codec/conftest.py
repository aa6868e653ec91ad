"""Every test here runs on each implementation of the codec (tests/plugins/codecs.py)."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def each_implementation(implementation: str) -> None:
    """Ask for it in every test."""
