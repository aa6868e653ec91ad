"""What a span cost, in US dollars, as an SQL expression over its row: the one place where that is decided."""

from __future__ import annotations

from llm_observatory.storage.compose import SQL

COST_USD = SQL("CASE WHEN usage_role IN ('call', 'carrier') THEN reported_cost_usd END")
"""As the client reported. NULL of spans whose usage is another's, and where nobody knows."""
