"""Fixtures by concern live in `tests/plugins/`; this file only names them."""

from __future__ import annotations

pytest_plugins = ("tests.plugins.database", "tests.plugins.service")
