"""What importing the process does and does not do."""

from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = """
import os, sys
import llm_observatory.app.serve
print("redis" in sys.modules, os.environ["GRPC_VERBOSITY"], os.environ["GRPC_ENABLE_FORK_SUPPORT"])
"""


def imported(**environment: str) -> list[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GRPC_")}
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=kept | environment, capture_output=True, text=True, timeout=60, check=True
    )
    assert ran.stderr == ""
    return ran.stdout.split()


def test_grpc_is_quiet_and_redis_is_left_alone_until_it_is_configured() -> None:
    assert imported() == ["False", "NONE", "false"]


def test_what_the_operator_says_about_grpc_counts() -> None:
    assert imported(GRPC_VERBOSITY="INFO", GRPC_ENABLE_FORK_SUPPORT="true") == ["False", "INFO", "true"]
