"""MetricQueryService: which metrics and series there are, and their values over time."""

from __future__ import annotations

from llm_observatory.query.metrics.service import service

__all__ = ["service"]
