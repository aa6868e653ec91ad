"""`query …` and `tail`: a client of the query port, without SQL; tables for people, JSON for programs."""

from __future__ import annotations

from llm_observatory.app.cli.query.commands import query, tail

__all__ = ["query", "tail"]
