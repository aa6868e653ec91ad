"""The command line `llm-observatory`: verbs that read settings, call one thing and print what came of it.

Exit codes: 0 done, 1 failed, 2 settings or arguments are wrong, 3 (`doctor`) warnings. What a script reads goes to stdout,
everything else to stderr.
"""

from __future__ import annotations

from llm_observatory.app import log
from llm_observatory.app.cli.commands import cli

__all__ = ["cli", "main"]


def main() -> None:
    """The entry point. What a verb logs is for people who look for a fault; `serve` sets the level that LOG_LEVEL says."""
    log.configure("warning")
    cli(prog_name="llm-observatory")
