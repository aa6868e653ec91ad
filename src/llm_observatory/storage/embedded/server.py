"""The embedded PostgreSQL: started, adopted, watched and stopped by the one process that holds its data folder.

Blocking. `start`, `ensure_running` and `stop` may be called from any thread; `stop` cuts a start short.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from llm_observatory.errors import EmbeddedServerError
from llm_observatory.storage.embedded import binaries, cluster, conf, folder, orphans, process, ready, record
from llm_observatory.storage.embedded.account import Account
from llm_observatory.storage.embedded.address import Address, fits_socket, port_address, socket_address
from llm_observatory.storage.embedded.binaries import Binaries
from llm_observatory.storage.embedded.files import make_folder
from llm_observatory.storage.embedded.folder import Layout
from llm_observatory.storage.embedded.lock import FolderLock
from llm_observatory.storage.embedded.output import Output
from llm_observatory.storage.embedded.postmaster import Postmaster, spawn
from llm_observatory.storage.embedded.record import Record
from llm_observatory.storage.embedded.trouble import failure, file_trouble

Progress = Callable[[str], None]

STOP_SECONDS = 30.0
HANGING_SECONDS = 60.0
"""A shutdown that nobody here asked for may take so long; its checkpoint writes 256 MB at most."""

_MAINTENANCE_DATABASE = "postgres"


class EmbeddedServer:
    """One data folder and the server on it. Raises EmbeddedServerError, whose message says what to do."""

    def __init__(self, data_dir: Path, database: str = "llm_observatory") -> None:
        self._layout = Layout.of(data_dir)
        self._database = database
        self._lock = FolderLock(self._layout.lock)
        self._turn = threading.RLock()
        self._stopping = threading.Event()
        self._postmaster: Postmaster | None = None
        self._left: Postmaster | None = None
        self._output: Output | None = None
        self._conninfo = ""
        self._stopping_since: float | None = None

    def start(self, progress: Progress = lambda _: None) -> str:
        """Take the folder, start the server or adopt the one an earlier run left behind; returns a conninfo URL.

        Nothing is left running or locked if it fails, but a server still at crash recovery after five minutes is left at it.
        """
        with self._turn:
            self._stopping.clear()
            return self._start(progress)

    def _start(self, progress: Progress) -> str:
        with self._turn, file_trouble(self._layout.root):
            if self.is_alive():
                return self._conninfo
            if self._postmaster is not None and self._postmaster.is_alive():
                progress("PostgreSQL does not come to the end of its shutdown: it is ended")
                self._postmaster.stop(0)
            account = folder.prepare(self._layout)
            self._lock.take(account)
            try:
                self._conninfo = self._bring_up(account, progress)
            except ready.StillRecovering:
                self._left = self._postmaster
                self._let_go()
                raise
            except BaseException:
                self._end(STOP_SECONDS)
                raise
            return self._conninfo

    def ensure_running(self, progress: Progress = lambda _: None) -> str:
        """Start the server again if it died; the conninfo is the same unless a port was taken meanwhile. Not after `stop`."""
        with self._turn:
            if self._stopping.is_set():
                raise EmbeddedServerError("the embedded PostgreSQL was stopped")
            return self._start(progress)

    def exists(self) -> bool:
        """Whether there is a database in the folder, running or not."""
        with file_trouble(self._layout.root):
            return self._layout.cluster.exists()

    def is_alive(self) -> bool:
        """Whether the server's main process runs, and not just towards its end. It mends the death of a backend by itself."""
        postmaster = self._postmaster
        return postmaster is not None and postmaster.is_alive() and not self._hangs_at_its_end(postmaster)

    def _hangs_at_its_end(self, postmaster: Postmaster) -> bool:
        """Whether it has been shutting down for longer than a checkpoint takes.

        PostgreSQL 18.6 that is told to stop while it recovers from the crash of a backend waits for ever.
        """
        if ready.status(self._layout, postmaster.identity.pid) != "stopping":
            self._stopping_since = None
            return False
        if self._stopping_since is None:
            self._stopping_since = time.monotonic()
        return time.monotonic() - self._stopping_since > HANGING_SECONDS

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the server's end; False if it still runs after `timeout` seconds."""
        postmaster = self._postmaster
        return postmaster is None or postmaster.wait(timeout)

    def stop(self, timeout: float = STOP_SECONDS) -> None:
        """Shut down (fast; past `timeout` seconds by force) and give the folder free. Harmless if nothing runs."""
        self._stopping.set()
        with self._turn, file_trouble(self._layout.root):
            self._end(timeout)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _bring_up(self, account: Account, progress: Progress) -> str:
        found = binaries.located()
        cluster.check_version(self._layout, found)
        last = record.read(self._layout)
        if last is not None and self._adopt(last, found, account, progress):
            return last.address.conninfo(self._database)
        crashed = orphans.clear(self._layout, account, progress)
        found = binaries.reachable(found, account, self._layout.binaries, progress)
        binaries.forget_others(found, self._layout.binaries)
        cluster.make(self._layout, found, account, progress)
        for path in (self._layout.run, self._layout.log):
            make_folder(path, account)
        address = self._address(found, account, last)
        conf.write(self._layout, found, account, address)
        # Copying and initdb take seconds: who was told to stop meanwhile starts no server.
        if self._stopping.is_set():
            raise EmbeddedServerError("stopped before PostgreSQL was started")
        progress(f"starting PostgreSQL {found.version}")
        postmaster = spawn(self._layout, found, account, address.settings())
        new = Record(postmaster.identity, found.build, address, self._database, ready=False)
        self._await(postmaster, new, account, progress, crashed=crashed, first_words=postmaster.first_words())
        return address.conninfo(self._database)

    def _adopt(self, last: Record, found: Binaries, account: Account, progress: Progress) -> bool:
        """Take over the server of an earlier run if it is that very process, of this build, and answers."""
        if last.identity not in process.servers_on(self._layout.cluster, account.uid):
            return False
        if last.build != found.build:
            progress(f"the running PostgreSQL is of build {last.build} and this is {found.build}: it is restarted")
            return False
        progress(f"adopting the running PostgreSQL, pid {last.identity.pid}")
        # Our own child, if it is the one we left at recovery.
        known = self._left if self._left is not None and self._left.identity == last.identity else Postmaster(last.identity)
        again = replace(last, database=self._database, ready=False)
        try:
            self._await(known, again, account, progress, crashed=True)
        except ready.StillRecovering:
            raise
        except EmbeddedServerError as exc:
            if self._stopping.is_set():
                raise
            progress(f"it cannot be adopted and is restarted: {exc}")
            return False
        return True

    def _await(
        self,
        postmaster: Postmaster,
        new: Record,
        account: Account,
        progress: Progress,
        *,
        crashed: bool,
        first_words: IO[bytes] | None = None,
    ) -> None:
        """Wait until the recorded server answers and has the database; the record then says so."""
        if self._output is not None:
            self._output.close()
        self._postmaster = postmaster
        self._output = output = Output(self._layout.log, first_words)
        new.write(self._layout, account)
        phase = "recovering after a crash" if crashed else "waiting for PostgreSQL"
        conninfo = new.address.conninfo(_MAINTENANCE_DATABASE)
        try:
            ready.await_ready(self._layout, postmaster, conninfo, lambda s: progress(f"{phase}, {s} s"), self._stopping.is_set)
        except ready.Ended:
            raise failure(self._layout.root, "PostgreSQL ended while it was starting", output.tail()) from None
        if ready.ensure_database(conninfo, self._database, self._layout.root):
            progress(f"created database {self._database}")
        replace(new, ready=True).write(self._layout, account)

    def _address(self, found: Binaries, account: Account, last: Record | None) -> Address:
        if fits_socket(self._layout.run):
            return socket_address(self._layout.run)
        wanted = last.address.port if last is not None and last.address.folder is None else None
        return port_address(cluster.password(self._layout, found, account), wanted)

    def _end(self, timeout: float) -> None:
        try:
            if self._postmaster is not None:
                self._postmaster.stop(timeout)
                record.forget(self._layout)
        finally:
            self._let_go()

    def _let_go(self) -> None:
        if self._output is not None:
            self._output.close()
        self._postmaster = self._output = None
        self._lock.release()


def running_conninfo(data_dir: Path) -> str | None:
    """How a one-shot command reaches the server that a live `serve` runs on this folder; None if none is ready."""
    layout = Layout.of(data_dir)
    with file_trouble(layout.root):
        last = record.read(layout)
        if last is None or not last.ready or not process.is_running(last.identity):
            return None
        return last.address.conninfo(last.database)


def binaries_version() -> str:
    """The version of the embedded PostgreSQL: 18.6."""
    return binaries.located().version
