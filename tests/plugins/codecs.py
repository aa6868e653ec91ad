"""Tests of the codec run once for each implementation.

A module that speaks of the reference's own parts says so with `pytestmark = pytest.mark.reference_codec`, as a test may. Where
the native codec is not built its tests are skipped and the header says so; `REQUIRE_NATIVE_CODEC=1`, which CI sets, makes
them fail.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from llm_observatory import codec
from llm_observatory.errors import ConfigError

REQUIRED = os.environ.get("REQUIRE_NATIVE_CODEC") == "1"
REFERENCE_ONLY = "reference_codec"


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


def pytest_report_header() -> str:
    """Which implementations of the codec are tested."""
    used = codec.chosen()
    if MISSING is None:
        return f"codec: reference, native {codec.Native().version}; the service runs on {used.name}"
    return f"codec: reference ONLY, {MISSING}"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "implementation" in metafunc.fixturenames:
        native = [] if any(metafunc.definition.iter_markers(REFERENCE_ONLY)) else ["native"]
        metafunc.parametrize("implementation", ["reference", *native], indirect=True)


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
