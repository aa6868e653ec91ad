"""UsageQueryService: calls of models, their tokens, cost and latency, and the conversations that they make up."""

from __future__ import annotations

from llm_observatory.query.usage.service import service

__all__ = ["service"]
