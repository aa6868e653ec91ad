"""The names of the views that people and queries read spans through; what they hold stands in the migrations."""

from __future__ import annotations

VIEWS: tuple[str, ...] = ("trace_spans", "trace_spans_full", "trace_events", "trace_links")
