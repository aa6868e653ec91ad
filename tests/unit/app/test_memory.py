"""What the manual says of memory is what `check` prints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llm_observatory.app.memory import hostile_ceiling_bytes
from llm_observatory.settings import Settings

PAGE = (Path(__file__).parents[3] / "docs/configuration.md").read_text()


@pytest.mark.parametrize(
    "said, settings",
    [
        (r"([\d,]+) MiB by default", {}),
        (r"([\d,]+) with `INGEST_MAX_INFLIGHT_BYTES=16MiB`", {"ingest_max_inflight_bytes": "16MiB"}),
        (r"([\d,]+) with `OTLP_MAX_REQUEST_BYTES=16MiB`", {"otlp_max_request_bytes": "16MiB"}),
    ],
)
def test_the_sums_of_the_manual(said: str, settings: dict[str, str]) -> None:
    [number] = re.findall(said, PAGE)
    found = hostile_ceiling_bytes(Settings.model_validate(settings))
    assert round(found / 1024**2) == pytest.approx(int(number.replace(",", "")), abs=1)
