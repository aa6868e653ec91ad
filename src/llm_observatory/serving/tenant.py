"""Whose records are written and read."""

from __future__ import annotations

from contextvars import ContextVar

DEFAULT_TENANT = "default"
"""Everybody, where no tokens name others."""

ASKING_TENANT = ContextVar("asking_tenant", default=DEFAULT_TENANT)
"""Whose question is being answered, in the task that answers it and in those that it begins."""


def single_tenant(_authorization: str | None) -> str:
    """Everybody is the tenant `default`, whatever they show."""
    return DEFAULT_TENANT
