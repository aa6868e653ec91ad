"""The tables of those who operate the service: backups that were made, and whether records are refused for maintenance."""

from __future__ import annotations

from llm_observatory.tables.column import TENANT, Column, Table

BACKUPS = Table(
    name="backups",
    kind="operation",
    columns=(
        TENANT,
        Column(name="kind", type="text", op="none"),
        Column(name="label", type="text", op="none", role="id"),
        Column(name="destination", type="text", op="none"),
        Column(name="started_at", type="timestamptz", op="none"),
        Column(name="finished_at", type="timestamptz", op="none", role="time"),
        Column(name="bytes", type="int8", op="none"),
        Column(name="database_bytes", type="int8", op="none"),
        Column(name="verified_at", type="timestamptz", op="none", nullable=True),
    ),
)
"""One row per backup that succeeded. What failed is told by its age: the newest row is old."""

MAINTENANCE_MODE = Table(
    name="maintenance_mode",
    kind="operation",
    columns=(
        TENANT,
        Column(name="reason", type="text", op="none"),
        Column(name="since", type="timestamptz", op="none", role="time"),
    ),
)
"""While it has a row, every process refuses records and answers questions."""
