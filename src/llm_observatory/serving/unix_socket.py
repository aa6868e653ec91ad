"""Unix sockets: taken over from a process that is gone, never from one that listens; open to owner and group alone."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from llm_observatory.errors import ConfigError
from llm_observatory.serving.listen import BACKLOG

UMASK = 0o117
"""Mode 0660. To connect takes permission to write, and to pass every folder on the way."""


class SocketFile:
    """The file of a socket that we listen on."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity = _identity(path)

    def remove(self) -> None:
        """Unless it is gone, or another process's by now."""
        with suppress(FileNotFoundError):
            if _identity(self._path) == self._identity:
                self._path.unlink()


def unix_listener(path: Path, setting: str) -> socket.socket:
    """A listening socket at `path`. Raises ConfigError that names path and setting."""
    with _in_words(path, setting):
        _make_way(path)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with private():
                listener.bind(str(path))
            listener.listen(BACKLOG)
        except OSError:
            listener.close()
            raise
        listener.setblocking(False)  # noqa: FBT003 - its signature
        return listener


def demand(path: Path, setting: str) -> None:
    """See that somebody else, who would not say why not, can listen at `path`. Raises ConfigError as `unix_listener`."""
    unix_listener(path, setting).close()
    path.unlink()


@contextmanager
def private() -> Iterator[None]:
    """What is made in the block is as a socket shall be from the first moment: set later, others could come in before."""
    before = os.umask(UMASK)
    try:
        yield
    finally:
        os.umask(before)


def _make_way(path: Path) -> None:
    """Remove the socket of a process that is gone."""
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError(None, "there is a file that is no socket")
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)  # noqa: FBT003 - its signature
            probe.connect(str(path))
    except FileNotFoundError:
        return
    except ConnectionRefusedError:
        path.unlink(missing_ok=True)
        return
    except BlockingIOError:
        pass  # its backlog is full: somebody listens
    raise FileExistsError(None, "a process listens on it")


@contextmanager
def _in_words(path: Path, setting: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError([f"cannot listen on {path} ({setting}): {error.strerror or error}"]) from None


def _identity(path: Path) -> tuple[int, int]:
    found = path.lstat()
    return found.st_dev, found.st_ino
