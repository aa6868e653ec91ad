"""What comes of one request in flight."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TypeAlias

from llm_observatory.errors import ObservatoryError


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What the receiver answers and counts. `accepted` is 0 for a duplicate: it was counted the first time."""

    answer: bytes
    accepted: int
    rejected: int


@dataclass(frozen=True, slots=True)
class Landed:
    """What came of a flight. `again`: its payload, when every copy of the request is to be stored by itself."""

    result: ExportResult
    again: bytes | None = None


Flight: TypeAlias = asyncio.Future[Landed | ObservatoryError]
