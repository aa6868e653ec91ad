"""The pages of docs/ that are made of what the code declares: metrics, settings, commands, tables; by `make reference`."""

from __future__ import annotations

from collections.abc import Callable

from llm_observatory.app.reference import cli, metrics, schema, settings

PAGES: dict[str, Callable[[], str]] = {
    "metrics-reference.md": metrics.page,
    "reference/settings.md": settings.page,
    "reference/cli.md": cli.page,
    "reference/schema.md": schema.page,
}
"""By its place in docs/, what makes it."""
