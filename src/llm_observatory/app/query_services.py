"""The services of the query port, each on one reader."""

from __future__ import annotations

from llm_observatory.query import logs, metrics, traces, usage
from llm_observatory.query.server import Service
from llm_observatory.storage.read import Reader


def query_services(reader: Reader) -> tuple[Service, ...]:
    """All there are."""
    return tuple(room.service(reader) for room in (traces, metrics, logs, usage))
