"""Tests of the codec run once for each implementation.

A module that speaks of the reference's own parts says so with `pytestmark = pytest.mark.reference_codec`, as a test may. Where
the native codec is not built its tests are skipped and the header says so; `REQUIRE_NATIVE_CODEC=1`, which CI sets, makes
them fail.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Protocol

import pytest

from llm_observatory import codec, tables
from llm_observatory.codec.reference import batch, content_rows, encoder, measure, metrics
from llm_observatory.errors import ConfigError

REQUIRED = os.environ.get("REQUIRE_NATIVE_CODEC") == "1"
REFERENCE_ONLY, NATIVE_ONLY = "reference_codec", "native_codec"


def missing() -> str | None:
    """Why there is no native codec."""
    try:
        codec.Native()
    except ConfigError as error:
        return str(error)
    return None


MISSING = missing()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{REFERENCE_ONLY}: of the Python codec's own parts, or of its ways")
    config.addinivalue_line("markers", f"{NATIVE_ONLY}: of the native codec alone, or of both at once")


def pytest_report_header() -> str:
    """Which implementations of the codec are tested."""
    used = codec.chosen()
    if MISSING is None:
        return f"codec: reference, native {codec.Native().version}; the service runs on {used.name}"
    return f"codec: reference ONLY, {MISSING}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "implementation" in metafunc.fixturenames:
        names = {REFERENCE_ONLY: "reference", NATIVE_ONLY: "native"}
        only = [name for marker, name in names.items() if any(metafunc.definition.iter_markers(marker))]
        metafunc.parametrize("implementation", only or [*names.values()], indirect=True)


PLACES = {
    "row_max_bytes": [measure],
    "escaped_max": [batch],
    "content_rows_max_bytes": [content_rows],
    "request_rows_max_bytes": [batch],
    "dimension_rows_max_bytes": [encoder, metrics],
    "cached_sources": [encoder],
}
"""The limits of the spec that tests lower, and where the reference has them."""


class Lower(Protocol):
    """Lowers limits of the spec for the implementation that is tested."""

    def __call__(self, **limits: int) -> None:
        """By their names in the spec."""
        ...


@pytest.fixture
def limits(implementation: str, monkeypatch: pytest.MonkeyPatch) -> Lower:
    """Less than what is allowed, so that a test reaches it with small requests."""

    def lower(**limits: int) -> None:
        if implementation == "native":
            spec = json.loads(tables.SPEC)
            spec["limits"].update(limits)
            monkeypatch.setattr(codec, "_chosen", codec.chosen()._replace(implementation=codec.Native(json.dumps(spec))))
            return
        for name, value in limits.items():
            for place in PLACES[name]:
                monkeypatch.setattr(place, name.upper(), value)
        if "row_max_bytes" in limits:
            monkeypatch.setattr(measure, "MEASURED_FROM_BYTES", 0)

    return lower


@pytest.fixture
def implementation(request: pytest.FixtureRequest) -> Iterator[str]:
    """The codec in use during the test."""
    name: str = request.param
    if name == "native" and MISSING is not None:
        if REQUIRED:
            pytest.fail(f"REQUIRE_NATIVE_CODEC is set: {MISSING}")
        pytest.skip(MISSING)
    before = codec.chosen().name
    codec.select(name)
    yield name
    codec.select(before)
