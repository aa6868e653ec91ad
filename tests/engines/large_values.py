"""Probes: what becomes of prompts and completions of a megabyte."""

from __future__ import annotations

import random
from datetime import timedelta
from hashlib import md5

from tests.engines.capability import NO, NOT_TRIED, YES, Section
from tests.engines.target import Target, noon

LARGE_VALUES = Section(
    "Large values",
    "What was said is most of the bytes, and up to `CONTENT_MAX_BYTES` (1 MiB by default) an item.",
)

BODIES = 10

_ALL = "SELECT md5(string_agg(body, '' ORDER BY timestamp)) FROM llm_content WHERE timestamp >= %s AND timestamp < %s"

_IN_FORCE = """
SELECT current_setting('timescaledb.enable_compressor_batch_limit'), current_setting('default_toast_compression')
"""

_LENGTH = "SELECT sum(length(body)) FROM llm_content WHERE timestamp >= %s AND timestamp < %s"

_INSERT_LARGE = """
INSERT INTO llm_content (tenant, timestamp, service_name, kind, carrier, attribute, is_json, body, original_length)
SELECT 'default', %s::timestamptz + n * INTERVAL '1 ms', 'checkout', 'input', 'span_attribute', 'gen_ai.input.messages', false,
       repeat(md5(n::text), 40000), 40000 * 32
FROM generate_series(1, 1000) AS n
"""


@LARGE_VALUES.capability(
    "compressed in a row by",
    text="*lz4* where the server was built with it, for COPY of large values takes half the time; else *pglz*, PostgreSQL's"
    " own. Set on the columns by reconciliation. What is stored stays as it is.",
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
    text="They are compressed like everything else.",
    tried=f"{BODIES} bodies of 1 MB that hardly compress are written, compressed by the job, and read back.",
)
async def bodies_in_the_columnstore(target: Target) -> str:
    at = noon(12)
    draw = random.Random(12)
    bodies = [draw.randbytes(500_000).hex() for _ in range(BODIES)]
    for number in range(0, BODIES, 10):
        await target.write(at + timedelta(seconds=number), *bodies[number : number + 10], spans=10)
    await target.run_job("policy_compression", "llm_content")
    found = await target.one(_ALL, at, at + timedelta(hours=1))
    assert found == md5("".join(bodies).encode()).hexdigest()
    return YES if await target.is_compressed("llm_content", at) else NO


@LARGE_VALUES.capability(
    "more than 1 GB of them in a batch",
    text="A batch has up to 1,000 rows, and what is one value of more than 1 GB PostgreSQL refuses: compression of that chunk"
    " would fail for ever. So the role of the service has settings in this database:"
    " `timescaledb.enable_compressor_batch_limit = on` ends batches earlier, `default_toast_compression = pglz`, for lz4"
    " cannot take nearly 1 GB.",
    tried="both settings are in force in a new session; 1,000 bodies of 1.28 MB, all of one service, are written and"
    " compressed by the job. The bodies take gigabytes of memory: only on servers that the command was given.",
)
async def more_than_a_gigabyte_in_a_batch(target: Target) -> str:
    at = noon(13)
    if not await target.run_job("policy_compression", "llm_content"):
        return NO
    assert await target.fetch(_IN_FORCE) == [("on", "pglz")]
    if not target.large:
        return NOT_TRIED
    await target.connection.execute(_INSERT_LARGE.encode(), [at])
    await target.run_job("policy_compression", "llm_content")
    assert await target.is_compressed("llm_content", at)
    assert await target.one(_LENGTH, at, at + timedelta(hours=1)) == 1000 * 40_000 * 32
    return YES
