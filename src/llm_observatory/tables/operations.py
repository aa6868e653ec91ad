"""The tables of those who operate the service: backups that were made, and whether records are refused for maintenance."""

from __future__ import annotations

from llm_observatory.tables.column import TENANT, Column, Table

BACKUPS = Table(
    name="backups",
    kind="operation",
    one_row_per="backup that succeeded, physical or dump",
    kept="until an operator deletes it",
    columns=(
        TENANT,
        Column(
            name="kind",
            type="text",
            op="none",
            description="`physical`: of the server, by pgBackRest; `dump`: of the database, by pg_dump",
        ),
        Column(
            name="label",
            type="text",
            op="none",
            role="id",
            description="the label that pgBackRest gave it, or the name of the dump's file",
        ),
        Column(name="destination", type="text", op="none", description="the repository, the folder or the URL it went to"),
        Column(name="started_at", type="timestamptz", op="none", description="when it began"),
        Column(name="finished_at", type="timestamptz", op="none", role="time", description="when it was whole"),
        Column(name="bytes", type="int8", op="none", description="what it takes at its destination"),
        Column(name="database_bytes", type="int8", op="none", description="size of what was saved"),
        Column(
            name="verified_at",
            type="timestamptz",
            op="none",
            nullable=True,
            description="when it was last read back and found whole",
        ),
    ),
)
"""One row per backup that succeeded. What failed is told by its age: the newest row is old."""

MAINTENANCE_MODE = Table(
    name="maintenance_mode",
    kind="operation",
    one_row_per="one, while records are refused for maintenance",
    kept="until `maintenance off`",
    columns=(
        TENANT,
        Column(name="reason", type="text", op="none", description="what clients and `/health` are told"),
        Column(name="since", type="timestamptz", op="none", role="time", description="since when"),
    ),
)
"""While it has a row, every process refuses records and answers questions."""
