"""The codec in Python: the readable specification of what a payload becomes, and the one that always works.

upb parses one record at a time; everything around the records is read on the wire itself. The spec of `tables/` is compiled
when this package is imported, and an op that is not known here stops the process right then.
"""

from __future__ import annotations

from collections.abc import Generator

from llm_observatory import tables
from llm_observatory.codec.reference import walk
from llm_observatory.codec.reference.batch import Batch
from llm_observatory.codec.reference.decode import decode
from llm_observatory.codec.reference.encoder import RequestEncoder
from llm_observatory.codec.reference.program import Program
from llm_observatory.codec.reference.wire import Malformed
from llm_observatory.codec.request import EncodedRequest, Terms

PROGRAM = Program(tables.SPEC)

INLINE_MAX_BYTES = 24 * 1024
"""512 log records (54 KiB) take 5 to 7 ms, in which every other signal would wait for the loop; 32 spans (12 KiB) cost 20 to
60 % more CPU through the thread."""


def encode_stepwise(
    signal: str, tenant: str, payload: bytes, digest: bytes, now: int, terms: Terms
) -> Generator[None, None, EncodedRequest]:
    """See the doorway."""
    batch = Batch(tenant, now, len(payload))
    records = PROGRAM.records(signal, payload, batch, digest, terms)
    return RequestEncoder(PROGRAM.sources, PROGRAM.order, payload, batch, records).steps()


def count_items(signal: str, payload: bytes, limit: int) -> int:
    """See the doorway."""
    try:
        return walk.count(signal, payload, limit)
    except Malformed as error:
        broken = walk.invalid(error)
    raise broken


def is_light(signal: str, payload: bytes, max_fields: int) -> bool:
    """See the doorway."""
    return walk.is_light(signal, payload, max_fields)


__all__ = ["INLINE_MAX_BYTES", "PROGRAM", "count_items", "decode", "encode_stepwise", "is_light"]
