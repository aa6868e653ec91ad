"""Pure data: every table's columns in order, the promoted attributes, the names of the rules.

No Python outside this room names a column of a table. `TABLES` is in writing order: inside one transaction the
ledger comes first, then the facts and their indexes in this order; dimensions are upserted before it.
"""

from __future__ import annotations

from llm_observatory.tables.beside import (
    DEAD_LETTERS,
    INGEST_LEDGER,
    INGEST_TOUCHED,
    LOG_FEED,
    METRIC_LABELS,
    MODEL_PRICE_NAMES,
    MODEL_PRICES,
    ROLLUP_PENDING,
    SEARCH_FILTERS,
    TELEMETRY_SOURCES,
)
from llm_observatory.tables.column import Column, PgType, Source, Table
from llm_observatory.tables.content import LLM_CONTENT
from llm_observatory.tables.logs import LLM_LOGS
from llm_observatory.tables.metrics import LLM_METRICS
from llm_observatory.tables.operations import BACKUPS, MAINTENANCE_MODE
from llm_observatory.tables.rollups import AGGREGATE_VIEWS, ROLLUP_VIEWS, ROLLUPS
from llm_observatory.tables.spec import render
from llm_observatory.tables.traces import LLM_TRACES, TRACE_INDEX
from llm_observatory.tables.usage import USAGE_CORRECTIONS, USAGE_PENDING
from llm_observatory.tables.views import VIEWS

TABLES: tuple[Table, ...] = (
    LLM_TRACES,
    LLM_CONTENT,
    TRACE_INDEX,
    LLM_METRICS,
    LLM_LOGS,
    INGEST_TOUCHED,
    ROLLUP_PENDING,
    USAGE_PENDING,
    USAGE_CORRECTIONS,
    TELEMETRY_SOURCES,
    METRIC_LABELS,
    INGEST_LEDGER,
    LOG_FEED,
    SEARCH_FILTERS,
    DEAD_LETTERS,
    MODEL_PRICES,
    MODEL_PRICE_NAMES,
    BACKUPS,
    MAINTENANCE_MODE,
)

BY_NAME: dict[str, Table] = {table.name: table for table in TABLES}

PARTITIONED: tuple[str, ...] = tuple(table.name for table in TABLES if table.partitioned)
"""What is made of partitions, or of chunks where these tables are hypertables."""

SPEC: str = render(TABLES)
"""What both codecs read at start."""

__all__ = [
    "AGGREGATE_VIEWS",
    "BACKUPS",
    "BY_NAME",
    "DEAD_LETTERS",
    "INGEST_LEDGER",
    "INGEST_TOUCHED",
    "LLM_CONTENT",
    "LLM_LOGS",
    "LLM_METRICS",
    "LLM_TRACES",
    "LOG_FEED",
    "MAINTENANCE_MODE",
    "METRIC_LABELS",
    "MODEL_PRICES",
    "MODEL_PRICE_NAMES",
    "PARTITIONED",
    "ROLLUPS",
    "ROLLUP_PENDING",
    "ROLLUP_VIEWS",
    "SEARCH_FILTERS",
    "SPEC",
    "TABLES",
    "TELEMETRY_SOURCES",
    "TRACE_INDEX",
    "USAGE_CORRECTIONS",
    "USAGE_PENDING",
    "VIEWS",
    "Column",
    "PgType",
    "Source",
    "Table",
]
