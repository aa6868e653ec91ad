"""SQL by name: `statement("claim_digests")` is the text of `sql/claim_digests.sql`."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def statement(name: str) -> str:
    """The text of `sql/<name>.sql`, a file of this package."""
    return (files(__package__) / "sql" / f"{name}.sql").read_text(encoding="utf-8")
