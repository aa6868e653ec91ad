"""What only the whole trace tells about who pays: decided behind ingest, and summed with the calls on read.

An SDK that instruments itself under an instrumentor makes two spans of one call; a chain that is called a call sums up those
below it; the usage of a stream comes on a span of its own. A span's row is never changed: what it counts too much, or too
little, is a row of `usage_corrections` beside it.
"""

from __future__ import annotations

from llm_observatory.storage.usage_corrections.decide import Decision, decide
from llm_observatory.storage.usage_corrections.spans import Span
from llm_observatory.storage.usage_corrections.work import work_off

__all__ = ["Decision", "Span", "decide", "work_off"]
