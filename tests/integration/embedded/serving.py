"""A service that does nothing but hold an embedded server: run as a process of its own, so that it can be killed.

`python serving.py DATA_DIR` writes what happens, one JSON array a line, and stops the server when its stdin ends.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import psycopg

from llm_observatory.errors import EmbeddedServerError
from llm_observatory.storage.embedded import EmbeddedServer


def say(*words: str) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def main() -> None:
    server = EmbeddedServer(Path(sys.argv[1]))
    try:
        conninfo = server.start(lambda sentence: say("progress", sentence))
    except EmbeddedServerError as exc:
        say("refused", str(exc))
        return
    with psycopg.connect(conninfo) as connection:
        row = connection.execute("SELECT current_user").fetchone()
    say("ready", conninfo, str(row[0]) if row else "")
    sys.stdin.read()
    server.stop()
    say("stopped")


if __name__ == "__main__":
    main()
