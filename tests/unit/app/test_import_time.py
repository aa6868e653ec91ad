"""What commands import: those that ask nobody need not pay for gRPC."""

from __future__ import annotations

import subprocess
import sys

import pytest

_SHOWN = """
import sys
from llm_observatory.app.cli import cli
try:
    cli(sys.argv[1:])
finally:
    print("IMPORTED", *sorted(sys.modules))
"""
OF_QUERIES = {"grpc", "llm_observatory.api.v1.trace_query_service_pb2_grpc", "llm_observatory.app.cli.query.commands"}


def imported(*arguments: str) -> set[str]:
    ran = subprocess.run([sys.executable, "-c", _SHOWN, *arguments], capture_output=True, text=True, check=False)
    [line] = [line for line in ran.stdout.splitlines() if line.startswith("IMPORTED")]
    return set(line.split())


@pytest.mark.parametrize("arguments", [("version",), ("--help",), ("query", "--help")], ids=" ".join)
def test_only_verbs_of_queries_import_grpc(arguments: tuple[str, ...]) -> None:
    expected = OF_QUERIES if arguments[0] == "query" else set()
    assert imported(*arguments) & OF_QUERIES == expected
