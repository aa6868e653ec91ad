"""What only a whole trace tells about who pays: the queue of traces to look at, and what is to be added to the calls."""

from __future__ import annotations

from typing import cast

from llm_observatory.tables.column import TENANT, Column, PgType, Table
from llm_observatory.tables.rollups import LLM_USAGE, SIGNED_USAGE

USAGE_PENDING = Table(
    name="usage_pending",
    kind="queue",
    one_row_per="trace and hour in which spans of it have come that were not looked at together yet",
    kept="a minute or two",
    columns=(
        TENANT,
        Column(name="hour", type="timestamptz", op="none", role="time", description="hour (UTC) in which spans of it came"),
        Column(name="trace_id", type="uuid", op="none", role="id", description="the trace to look at"),
        Column(name="pending_since", type="timestamptz", op="none", description="since when it waits"),
    ),
)
"""Traces whose spans are to be looked at together: what was collected from `ingest_touched`, an hour each."""

_COUNTS = {"call_count", "error_count", "unreported_count", "timed_count", "ttft_count"}
DIMENSIONS_BESIDE_KEYS = ("agent_name", "user_id", "conversation_id")
"""By what usage is told apart beside the keys of the rollup."""

BAND = LLM_USAGE.keys[-1]

_OF_THE_SPAN = "that of the span; of a completed call that names no model, the models are those of its carrier"
_ADDED = "to be added to the column of this name in `llm_usage_…`, or to what is summed from the rows"

PROVIDER_OF_A_MODEL, NAMES_OF_A_MODEL = "provider", ("request_model", "response_model")

JUDGED = {
    "verdict": "used.verdict",
    "other_span_id": "used.other",
    BAND.name: f"used.{BAND.name}",
    # A carrier reports what its call did not.
    "unreported_count": (
        "CASE used.verdict WHEN 'completed' THEN -(num_nonnulls(used.input_tokens, used.output_tokens) > 0)::int"
        " ELSE -used.unreported_count END"
    ),
}
"""Columns that are neither of the span nor its usage with a sign: expressions over `used`, what was decided."""

USAGE_CORRECTIONS = Table(
    name="usage_corrections",
    kind="correction",
    one_row_per="span that counts otherwise than it says by itself",
    kept="`RETENTION`; its sums by day for longer, see rollups",
    columns=(
        TENANT,
        Column(name="timestamp", type="timestamptz", op="none", role="time", description="start of the span"),
        Column(name="timestamp_nanos", type="int2", op="none", description="nanoseconds to add to it, 0 to 999"),
        Column(name="trace_id", type="uuid", op="none", role="id", description="that of the span"),
        Column(name="span_id", type="bytea", op="none", role="id", description="that of the span"),
        Column(
            name="verdict", type="text", op="none", role="label", description="`duplicate`, `rollup`, `merged` or `completed`"
        ),
        Column(
            name="other_span_id",
            type="bytea",
            op="none",
            nullable=True,
            role="id",
            description="the span that counts instead, or the carrier; NULL: several",
        ),
        *(
            Column(
                name=key.name,
                type="text",
                op="none",
                nullable=key.name != LLM_USAGE.index,
                role="label",
                description=_OF_THE_SPAN,
            )
            for key in LLM_USAGE.keys
            if key is not BAND
        ),
        Column(name=BAND.name, type="int8", op="none", description="that of the tokens"),
        *(
            Column(name=name, type="text", op="none", nullable=True, role="label", description=_OF_THE_SPAN)
            for name in DIMENSIONS_BESIDE_KEYS
        ),
        *(
            Column(
                name=column.name,
                type=cast("PgType", column.type),
                op="none",
                nullable=column.name not in _COUNTS,
                description=_ADDED,
            )
            for column in SIGNED_USAGE
        ),
    ),
)
"""One row per span that counts otherwise than it says by itself. With the calls and carriers of `llm_traces`, each call of a
provider is summed once."""
