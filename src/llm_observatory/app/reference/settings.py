"""docs/reference/settings.md, of the declaration in `settings/declared.py`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from llm_observatory.quantity import show_duration, show_size
from llm_observatory.settings import LIVE, Settings, shown

_HEAD = """\
# Settings: reference

Made from `settings/declared.py` by `make reference`, and compared with it by `make check`. Where settings are read from, and
what belongs together: [configuration.md](../configuration.md).

A duration is `90d`, `6h`, `15min`, `30s`, `250ms` or seconds, a size `64MiB`, `1GB` or bytes, a list is separated by commas.
What says SIGHUP can be changed [while the process runs](../configuration.md#while-it-runs) and is in force at once; everything
else takes a restart.
"""

_TABLE = """
## {heading}

| name | type | default | range | change | meaning |
|---|---|---|---|---|---|
"""

_HEADINGS = {
    "database_url": "Database",
    "db_pool_max_connections": "Read pool and retries",
    "redis_url": "Cache",
    "chunk_interval": "Data and its life",
    "listen_host": "Ports",
    "tls_cert_file": "Who may come in",
    "otlp_grpc_max_concurrent_streams": "OTLP over gRPC: connections",
    "otlp_http_traces_path": "OTLP over HTTP",
    "read_slots": "Limits and batching",
    "shutdown_grace": "Process",
}
"""Before which setting a heading stands: those of docs/configuration.md."""

_UNITS = {"_ms": "milliseconds", "_secs": "seconds"}
_TYPES = {
    bool: "true or false", int: "number", float: "number", str: "text", tuple: "list",
    timedelta: "duration", Path: "path", SecretStr: "secret",
}  # fmt: skip


def page() -> str:
    """The whole page."""
    defaults = Settings()
    return "".join([_HEAD, *(line for name in Settings.model_fields for line in _lines(defaults, name))])


def _lines(defaults: Settings, name: str) -> Iterator[str]:
    if name in _HEADINGS:
        yield _TABLE.format(heading=_HEADINGS[name])
    field = Settings.model_fields[name]
    default = shown(defaults, name)
    cells = [
        f"`{name.upper()}`",
        _type(name, field),
        f"`{default}`" if default else "",
        _range(name, field),
        "SIGHUP" if name in LIVE else "restart",
        (field.description or "").replace("|", "\\|"),
    ]
    yield f"| {' | '.join(cells)} |\n"


def _type(name: str, field: FieldInfo) -> str:
    kind, _ = _declared(field)
    if get_origin(kind) is Literal:
        return ", ".join(f"`{word}`" for word in get_args(kind))
    if kind is int and name.endswith("_bytes"):
        return "size"
    unit = next((unit for suffix, unit in _UNITS.items() if name.endswith(suffix)), None)
    return unit or _TYPES[get_origin(kind) or kind]


def _range(name: str, field: FieldInfo) -> str:
    kind, limits = _declared(field)

    def told(value: Any) -> str:
        if isinstance(value, timedelta):
            return show_duration(value)
        return show_size(value) if kind is int and name.endswith("_bytes") else f"{value:,}"

    def given(bound: str) -> list[Any]:
        return sorted(getattr(one, bound) for one in limits if getattr(one, bound, None) is not None)

    # The narrowest of each is what holds.
    bounds = {"above": given("gt")[-1:], "from": given("ge")[-1:], "to": given("le")[:1]}
    return " ".join(f"{word} {told(value)}" for word, values in bounds.items() for value in values)


def _declared(field: FieldInfo) -> tuple[Any, list[Any]]:
    """The type below `| None` and what limits it, wherever in the annotation it stands."""
    kind, limits = field.annotation, list(field.metadata)
    while get_origin(kind) is Annotated or type(None) in get_args(kind):
        kind, *more = (part for part in get_args(kind) if part is not type(None))
        for one in more:
            limits += one.metadata if isinstance(one, FieldInfo) else [one]
    return kind, limits
