"""The JSON spec that both codecs run: tables, columns, ops, value maps, rule names, limits."""

from __future__ import annotations

import json
from typing import Any

from llm_observatory.tables import content, dialects, logs
from llm_observatory.tables.column import Column, Table
from llm_observatory.tables.limits import LIMITS
from llm_observatory.tables.rules import ODDITIES, REJECTIONS, REPAIRS

SPEC_VERSION = 3


def _column(column: Column) -> dict[str, Any]:
    rendered: dict[str, Any] = {
        "name": column.name,
        "type": column.type,
        "nullable": column.nullable,
        "role": column.role,
        "op": column.op,
    }
    if column.max_bytes is not None:
        rendered["max_bytes"] = column.max_bytes
    if column.aliases:
        rendered["aliases"] = [source.op for source in column.aliases]
    return rendered


def render(tables: tuple[Table, ...]) -> str:
    """The spec of `tables` as canonical JSON (sorted keys, no spaces)."""
    spec = {
        "version": SPEC_VERSION,
        "tables": [
            {"name": table.name, "kind": table.kind, "columns": [_column(column) for column in table.columns]}
            for table in tables
        ],
        "llm": {
            "absent_text": sorted(dialects.ABSENT_TEXT),
            "call_operations": sorted(dialects.CALL_OPERATIONS),
            "rollup_operations": sorted(dialects.ROLLUP_OPERATIONS),
            "carrier_mark": list(dialects.CARRIER_MARK),
            "non_call_span_names": sorted(dialects.NON_CALL_SPAN_NAMES),
            "operation_column": dialects.OPERATION_COLUMN,
            "usage_columns": list(dialects.USAGE_COLUMNS),
            "provider_aliases": dialects.PROVIDER_ALIASES,
            "dotted_providers": sorted(dialects.DOTTED_PROVIDERS),
            "frameworks": sorted(dialects.FRAMEWORKS),
            "operation_aliases": dialects.OPERATION_ALIASES,
            "finish_reason_aliases": dialects.FINISH_REASON_ALIASES,
        },
        "content": {
            "kinds": {kind: list(keys) for kind, keys in content.KINDS.items()},
            "mark": content.MARK,
            "marked_kinds": {kind: list(keys) for kind, keys in content.MARKED_KINDS.items()},
            "events": {name: {"kind": kind, "keys": list(keys)} for name, (kind, keys) in content.EVENTS.items()},
            "event_name_keys": list(content.EVENT_NAME_KEYS),
            "carriers": {
                "span_attribute": content.SPAN_ATTRIBUTE,
                "span_event": content.SPAN_EVENT,
                "log_attribute": content.LOG_ATTRIBUTE,
                "log_body": content.LOG_BODY,
            },
        },
        "logs": {"levels": list(logs.LEVELS), "level_aliases": logs.LEVEL_ALIASES},
        "rejections": sorted(REJECTIONS),
        "repairs": sorted(REPAIRS),
        "oddities": sorted(ODDITIES),
        "limits": LIMITS,
    }
    return json.dumps(spec, sort_keys=True, separators=(",", ":"))
