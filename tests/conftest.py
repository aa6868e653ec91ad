"""Fixtures by concern live in `tests/plugins/`; this file only names them."""

from __future__ import annotations

import os

import pytest

# As in the service (`llm_observatory.app`), and before grpc is imported: its fork handlers run in the children that tests
# start under another account (fork, not vfork) and have crashed one before its exec (initdb, signal 11).
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"

pytest_plugins = (
    "tests.plugins.authority",
    "tests.plugins.codecs",
    "tests.plugins.database",
    "tests.plugins.engines",
    "tests.plugins.query",
    "tests.plugins.service",
    "tests.plugins.storage",
    "tests.plugins.wasm_timescale",
    "tests.plugins.workers",
    "tests.conformance.plugin",
)

pytest.register_assert_rewrite("tests.plugins.round_trip", "tests.plugins.corpus")
