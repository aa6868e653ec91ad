"""Whose records are written and read."""

from __future__ import annotations

DEFAULT_TENANT = "default"
"""Everybody, until tokens name others."""
