"""LogQueryService: searching log records, and following them as they come in."""

from __future__ import annotations

from llm_observatory.query.logs.service import service

__all__ = ["service"]
