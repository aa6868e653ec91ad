"""What differs between plain PostgreSQL and TimescaleDB, behind one protocol."""

from __future__ import annotations

from llm_observatory.storage.engine.current import CurrentEngine
from llm_observatory.storage.engine.detect import detect, edition, install
from llm_observatory.storage.engine.protocol import Engine

__all__ = ["CurrentEngine", "Engine", "detect", "edition", "install"]
