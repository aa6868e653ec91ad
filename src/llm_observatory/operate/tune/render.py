"""The settings as a file that `include` of postgresql.conf, or its folder conf.d, takes."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from llm_observatory.operate.tune.machine import Machine
from llm_observatory.operate.tune.rules import Advice
from llm_observatory.storage.server_environment import SERVER_ENVIRONMENT

_GROUPS = {
    "memory": "Memory",
    "promises": "An acknowledged record is a committed record",
    "wal": "WAL",
    "disk": "Disk",
    "connections": "Connections",
    "workers": "Workers",
    "autovacuum": "Autovacuum",
    "planner": "Planner",
    "locks": "Locks",
    "backups": "Backups",
    "logging": "Logging and statistics",
}


def conf(machine: Machine, advice: Sequence[Advice]) -> str:
    """A configuration file; the same for the same machine, to the byte."""
    engine = "TimescaleDB" if machine.timescaledb else "plain PostgreSQL"
    lines = [
        f"# For {engine} alone on {machine.memory / 1024**3:g} GiB of memory, {machine.cpus} processors, {machine.disk}.",
        "# Written by `llm-observatory tune --format conf`.",
    ]
    lines += [
        "",
        "# Beside these, for a server on glibc, where its COPY is slower without: lines of its environment",
        "# (Debian: /etc/postgresql/VERSION/CLUSTER/environment; systemd: Environment=), read when it starts.",
        *(f"# {name}={value}" for name, value in SERVER_ENVIRONMENT.items()),
    ]
    for group, of_group in groupby(advice, lambda setting: setting.group):
        lines += ["", f"# {_GROUPS[group]}"]
        for setting in of_group:
            comment = "#" if setting.optional else ""
            lines.append(f"{f'{comment}{setting.name} = {quoted(setting.value)}':<56} # {setting.why}".rstrip())
    return "\n".join(lines) + "\n"


def quoted(value: str) -> str:
    """A value as a configuration file takes it: in quotes, which numbers and words do without."""
    if value.replace(".", "", 1).replace("_", "").isalnum():
        return value
    doubled = value.replace("'", "''")
    return f"'{doubled}'"
