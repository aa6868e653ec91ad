"""What we know of the server we started, for the next process: who it is, how to reach it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from llm_observatory.storage.embedded.account import Account
from llm_observatory.storage.embedded.address import Address
from llm_observatory.storage.embedded.files import read_text, replace_text
from llm_observatory.storage.embedded.folder import Layout
from llm_observatory.storage.embedded.process import Identity


@dataclass(frozen=True)
class Record:
    """Written when the server is spawned, and again when it is ready."""

    identity: Identity
    build: str
    address: Address
    database: str
    ready: bool

    def write(self, layout: Layout, account: Account) -> None:
        """Replace the last record."""
        replace_text(layout.record, json.dumps(asdict(self), indent=1) + "\n", account)


def read(layout: Layout) -> Record | None:
    """The last record; None if there is none or it is not whole (the server is then found by its folder)."""
    text = read_text(layout.record)
    if text is None:
        return None
    try:
        found = json.loads(text)
        return Record(**{**found, "identity": Identity(**found["identity"]), "address": Address(**found["address"])})
    except (ValueError, KeyError, TypeError):
        return None


def forget(layout: Layout) -> None:
    """The server has ended."""
    layout.record.unlink(missing_ok=True)
