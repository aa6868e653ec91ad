"""What tokens cost: the price table, filled from the library genai-prices, and what operators set above it.

The cost of a call is computed as it is read, by functions of migration 012: a corrected price corrects history.
"""

from __future__ import annotations

from llm_observatory.storage.prices.operator import OperatorPrice, listed, put, remove
from llm_observatory.storage.prices.seed import ensure

__all__ = ["OperatorPrice", "ensure", "listed", "put", "remove"]
"""Besides: `table.py`, a program that writes what genai-prices knows as rows."""
