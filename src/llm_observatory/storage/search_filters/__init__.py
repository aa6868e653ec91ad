"""Which hours can hold an attribute value or a word of a log record: filters that are built behind ingest.

Only of hours that are over. An hour that changes has an empty filter from the statement on that collects the change
(`touched.py`), and gets a new one later; until a change is collected, who reads a filter looks at the queue too
(`sql/hours_without.sql`). Without a filter an hour is read: filters cost nothing but time when they are missing.
"""

from __future__ import annotations

from llm_observatory.storage.search_filters.absent import absent_hours
from llm_observatory.storage.search_filters.entries import Entry, attribute, source, words
from llm_observatory.storage.search_filters.work import queue_day, work_off

__all__ = ["Entry", "absent_hours", "attribute", "queue_day", "source", "words", "work_off"]
