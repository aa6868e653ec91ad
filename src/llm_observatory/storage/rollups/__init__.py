"""Rollups as the database has them: continuous aggregates where there are any, else tables that follow what changed.

`tables/rollups.py` declares what they hold. Both forms have the same names and columns, and both show the newest hours as they
are: continuous aggregates by TimescaleDB's real-time aggregation, tables by a view that computes what changed on the spot.
"""

from __future__ import annotations

from llm_observatory.storage.rollups.existing import Form, ensure, that_are_tables
from llm_observatory.storage.rollups.sql import ROWS_WHOLE_SINCE
from llm_observatory.storage.rollups.work import drop_before, work_off

__all__ = ["ROWS_WHOLE_SINCE", "Form", "drop_before", "ensure", "that_are_tables", "work_off"]
