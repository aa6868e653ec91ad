"""The server process: started by us, or found running from an earlier life of ours."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Mapping
from typing import IO

from llm_observatory.errors import EmbeddedServerError
from llm_observatory.storage.embedded import process
from llm_observatory.storage.embedded.account import Account
from llm_observatory.storage.embedded.binaries import Binaries
from llm_observatory.storage.embedded.folder import Layout
from llm_observatory.storage.embedded.process import Identity
from llm_observatory.storage.server_environment import SERVER_ENVIRONMENT

_IMMEDIATE_SECONDS = 5.0


class Postmaster:
    """One running server. A child of ours is asked through its handle, which no reused pid can fool."""

    def __init__(self, identity: Identity, child: subprocess.Popen[bytes] | None = None) -> None:
        self.identity = identity
        self.child = child

    def is_alive(self) -> bool:
        """Whether it runs."""
        if self.child is not None:
            return self.child.poll() is None
        return process.is_running(self.identity)

    def wait(self, timeout: float | None) -> bool:
        """Wait for its end; False if it still runs after `timeout`."""
        if self.child is None:
            return process.wait_for(self.identity, timeout)
        try:
            self.child.wait(timeout)
        except subprocess.TimeoutExpired:
            return False
        return True

    def first_words(self) -> IO[bytes] | None:
        """What a child of ours writes until it has opened its log."""
        return self.child.stderr if self.child is not None else None

    def stop(self, timeout: float) -> None:
        """Fast shutdown (clients are disconnected, a checkpoint is written); past `timeout` immediate, then by force."""
        patience = {signal.SIGINT: timeout, signal.SIGQUIT: _IMMEDIATE_SECONDS, signal.SIGKILL: _IMMEDIATE_SECONDS}
        for number, seconds in patience.items():
            self._send(number)
            if self.wait(seconds):
                return
        raise EmbeddedServerError(f"PostgreSQL, pid {self.identity.pid}, does not end even when killed; its disk may hang")

    def _send(self, number: signal.Signals) -> None:
        if self.child is not None:
            self.child.send_signal(number)
        else:
            process.send(self.identity, number)


def spawn(layout: Layout, binaries: Binaries, account: Account, settings: Mapping[str, str]) -> Postmaster:
    """Start the server in a session of its own: Ctrl-C at our terminal is for us, we stop it when we are done."""
    command = [str(binaries.postgres), "-D", str(layout.cluster)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    theirs = account.child()
    child = subprocess.Popen(
        command,
        cwd=layout.cluster,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        **{**theirs, "env": {**theirs["env"], **SERVER_ENVIRONMENT}},
    )
    identity = Identity(child.pid, process.started_at(child.pid), str(binaries.postgres))
    return Postmaster(identity, child)
