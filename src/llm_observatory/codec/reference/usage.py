"""`llm.usage_role`: what one span says by itself about who pays for the tokens it reports.

In this order:
- `none`: a span that only repeats a call's attributes (by its name);
- a log record that travels as a span (the spec's carrier mark): `carrier` if it reports usage, else `none`;
- `call`: its operation is one call of a provider;
- `rollup`: its operation sums up the calls below it, whatever usage it carries;
- `none`.
Duplicates are seen only with the whole trace in view; a pass over the stored spans finds them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from llm_observatory.codec.reference.fields import NULL, text
from llm_observatory.codec.reference.span import SpanRecord

CALL, ROLLUP, CARRIER, NONE = map(text, ("call", "rollup", "carrier", "none"))


def compile_role(llm: Mapping[str, Any], index_of: Mapping[str, int]) -> Callable[[SpanRecord], bytes]:
    """The role of a span from the fields already in its row; `index_of` gives each column's place there."""
    mark, marked = llm["carrier_mark"]
    not_calls = frozenset(llm["non_call_span_names"])
    operation = index_of[llm["operation_column"]]
    usage = [index_of[name] for name in llm["usage_columns"]]
    roles = {text(name): ROLLUP for name in llm["rollup_operations"]}
    roles |= {text(name): CALL for name in llm["call_operations"]}

    def role(record: SpanRecord) -> bytes:
        if record.span.name in not_calls:
            return NONE
        row = record.row
        if record.document.get(mark) == marked:
            return CARRIER if any(row[index] != NULL for index in usage) else NONE
        return roles.get(row[operation], NONE)

    return role
