"""OTLP/JSON on the wire: requests into protobuf, answers and errors out of it. Pure functions.

What is tolerated and what is repaired: docs/otlp.md, "OTLP/JSON". A request goes the same road afterwards as one that
came as protobuf: which record is refused, and by which rule, the codec decides.
"""

from __future__ import annotations

from llm_observatory.otlp.json.answers import answer_to_json, status_to_json
from llm_observatory.otlp.json.request import to_protobuf

__all__ = ["answer_to_json", "status_to_json", "to_protobuf"]
