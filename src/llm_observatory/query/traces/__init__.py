"""TraceQueryService: one trace, spans that are searched for, and what services, operations and attributes there are."""

from __future__ import annotations

from llm_observatory.query.traces.service import service

__all__ = ["service"]
