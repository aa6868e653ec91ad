"""How many files and sockets the process may have open at once."""

from __future__ import annotations

import resource
from contextlib import suppress

import structlog

log = structlog.get_logger(__name__)

COMFORTABLE = 4096
"""A connection is a descriptor; a thousand SDKs that export directly are a thousand."""

RESERVED = 256
"""For the database, the sidecar, files, and gRPC at its quietest."""


def raise_limit() -> None:
    """Take what the operator allows instead of what was given at first, as Go and nginx do."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    # macOS has a limit of its own below what it calls the hard one.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if limit < COMFORTABLE and limit != resource.RLIM_INFINITY:
        log.warning("few open files are allowed: raise LimitNOFILE, or ulimit -n", limit=limit, wanted=COMFORTABLE)


def for_http(wanted: int) -> int:
    """How many HTTP connections there may be: gRPC has as many descriptors."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return wanted if limit == resource.RLIM_INFINITY else max(16, min(wanted, (limit - RESERVED) // 2))
