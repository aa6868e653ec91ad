"""Names of relations that stand beside those that `tables/` declares."""

from __future__ import annotations


def aside(name: str) -> str:
    """What a partitioned table, or an index of it, is called while its rows are moved into the hypertable in its place."""
    return f"{name}_partitions"
