"""Logging: JSON lines when nobody watches, readable lines on a terminal; always on stderr, stdout is for answers."""

from __future__ import annotations

import logging
import sys
from typing import Any, TextIO

import structlog

# What libraries say at info is of no interest to operators; their warnings are.
_QUIET = ("uvicorn", "uvicorn.error", "uvicorn.access", "asyncio", "psycopg", "psycopg.pool", "grpc")


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send structlog's events and those of libraries the same way. Called again, it starts anew."""
    stream = stream or sys.stderr
    readable = stream.isatty()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if readable else "iso", utc=not readable),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, *shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=_rendering(readable)))
    root = logging.getLogger()
    root.handlers = [handler]
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    set_level(level)


def set_level(level: str) -> None:
    """Change the lowest level that is written."""
    logging.getLogger().setLevel(level.upper())


def _rendering(readable: bool) -> list[Any]:  # noqa: FBT001 - the one choice
    drop = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    if readable:
        # Its own choice is rich, which prints the local variables of every frame: passwords, and what clients sent.
        plain = structlog.dev.plain_traceback
        return [drop, structlog.dev.ConsoleRenderer(pad_event_to=0, exception_formatter=plain)]
    return [drop, structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
