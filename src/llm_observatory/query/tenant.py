"""Whose records are read."""

from __future__ import annotations

DEFAULT_TENANT = "default"
"""Everybody, until tokens name others."""
