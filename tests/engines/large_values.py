"""Probes: what becomes of prompts and completions of a megabyte."""

from __future__ import annotations

import random
from datetime import timedelta
from hashlib import md5

from tests.engines.capability import NO, YES, Section
from tests.engines.target import Target, noon

LARGE_VALUES = Section(
    "Large values",
    "What was said is most of the bytes, and up to `CONTENT_MAX_BYTES` (1 MiB by default) an item.",
)

BODIES = 20
BODY_BYTES = 1_000_000


@LARGE_VALUES.capability(
    "compressed in a row by",
    text="*lz4* where the server was built with it, for COPY of large values takes half the time; else *pglz*, PostgreSQL's"
    " own. It is set by reconciliation, on partitions for each column, on hypertables for the role of the service in this"
    " database. What is stored stays as it is.",
    tried="a body of 20 kB that compresses well is written, and `pg_column_compression` asked.",
)
async def compressed_in_a_row_by(target: Target) -> str:
    at = noon(2)
    await target.write(at, "well " * 4000)
    method = await target.one("SELECT pg_column_compression(body) FROM llm_content WHERE timestamp = %s", at)
    assert method in ("lz4", "pglz")
    return str(method)


@LARGE_VALUES.capability(
    "bodies of 1 MB in the columnstore",
    text="A thousand of them would be one value of more than 1 GB, which PostgreSQL refuses: compression would fail for ever."
    " So `timescaledb.enable_compressor_batch_limit` is set for the role of the service in this database, and batches end"
    " earlier.",
    tried=f"the setting is in force in a new session; {BODIES} bodies of 1 MB that hardly compress are written, compressed by"
    " the job, and read back. A thousand are not tried.",
)
async def bodies_in_the_columnstore(target: Target) -> str:
    at = noon(12)
    draw = random.Random(12)
    bodies = [draw.randbytes(BODY_BYTES // 2).hex() for _ in range(BODIES)]
    for number in range(0, BODIES, 10):
        await target.write(at + timedelta(seconds=number), *bodies[number : number + 10], spans=10)
    compressed = await target.run_job("policy_compression", "llm_content") and await target.is_compressed("llm_content", at)
    found = await target.one("SELECT md5(string_agg(body, '' ORDER BY timestamp)) FROM llm_content WHERE timestamp >= %s"
                             " AND timestamp < %s", at, at + timedelta(hours=1))  # fmt: skip
    assert found == md5("".join(bodies).encode()).hexdigest()
    if compressed:
        assert await target.one("SELECT current_setting('timescaledb.enable_compressor_batch_limit', true)") == "on"
    return YES if compressed else NO
