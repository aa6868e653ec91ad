"""The server's configuration files, written as a whole at every start; the operator's own settings follow ours and win."""

from __future__ import annotations

from collections.abc import Mapping

from llm_observatory.storage.embedded.account import Account
from llm_observatory.storage.embedded.address import SUPERUSER, Address
from llm_observatory.storage.embedded.binaries import Binaries
from llm_observatory.storage.embedded.files import replace_text
from llm_observatory.storage.embedded.folder import Layout
from llm_observatory.storage.embedded.memory import usable_memory

_MIB = 1024**2
_STATISTICS = "pg_stat_statements"
LOG_SUFFIX = ".log"
LOG_FILE_BYTES = 16 * _MIB
_MAP = "observatory"


def write(layout: Layout, binaries: Binaries, account: Account, address: Address) -> None:
    """Write postgresql.conf, pg_hba.conf and pg_ident.conf."""
    head = "# Written by llm-observatory at every start: changes here are lost.\n"
    settings = _settings(layout, statistics=binaries.has(_STATISTICS))
    lines = [f"{name} = {quoted(value)}\n" for name, value in settings.items()]
    lines.append(f"include_if_exists {quoted(str(layout.local_conf))}\n")
    replace_text(layout.cluster / "postgresql.conf", head + f"# Yours go into {layout.local_conf}\n" + "".join(lines), account)
    way = "host all {} 127.0.0.1/32 scram-sha-256" if address.folder is None else f"local all {{}} peer map={_MAP}"
    theirs = f"include_if_exists {_double(str(layout.local_hba))}\n"
    replace_text(layout.cluster / "pg_hba.conf", f"{head}{theirs}{way.format(SUPERUSER)}\n", account)
    users = [account.name, "root"] if account.switched else [account.name]
    mapped = "".join(f"{_MAP} {_double(user)} {SUPERUSER}\n" for user in users)
    replace_text(layout.cluster / "pg_ident.conf", head + mapped, account)


def quoted(value: str) -> str:
    """A value as a configuration file takes it: backslashes and quotes doubled."""
    doubled = value.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"


def _double(value: str) -> str:
    doubled = value.replace('"', '""')
    return f'"{doubled}"'


def _settings(layout: Layout, *, statistics: bool) -> Mapping[str, str]:
    return {
        "listen_addresses": "",
        "max_connections": "100",
        "shared_buffers": f"{shared_buffers(usable_memory()) // _MIB}MB",
        "max_wal_size": "2GB",
        "synchronous_commit": "on",
        "fsync": "on",
        "full_page_writes": "on",
        # One unbounded query over daily partitions locks each of them and each of their indexes.
        "max_locks_per_transaction": "512",
        # A trace by id over 30 chunks takes 2.7 s with it, 8-29 ms without.
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "lc_messages": "C",
        **({"shared_preload_libraries": _STATISTICS} if statistics else {}),
        "logging_collector": "on",
        "log_directory": str(layout.log),
        "log_filename": f"postgresql-%Y-%m-%d_%H%M%S{LOG_SUFFIX}",
        "log_file_mode": "0600",
        "log_rotation_age": "1d",
        "log_rotation_size": f"{LOG_FILE_BYTES // 1024}kB",
        "log_line_prefix": "%m [%p] %q%u@%d/%a ",
    }


def shared_buffers(memory: int) -> int:
    """An eighth of the memory, at least 32 MiB and at most 1 GiB: the service beside it needs its own.

    With 256 MiB the indexes of a day of a million spans did not fit: ingest fell to 0.71 of its rate into empty tables.
    """
    return max(32 * _MIB, min(1024 * _MIB, memory // 8))
