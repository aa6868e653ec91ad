"""Probes: COPY straight into the columnstore, and how what it wrote is put in order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from llm_observatory.settings import Settings
from tests.contract.test_rollups import Store
from tests.engines.capability import NO, YES, Section
from tests.engines.target import COMPRESSED, UNORDERED, Target, noon

SETTINGS = Settings(copy_direct_compress=True)

DIRECT_COMPRESS = Section(
    "COPY_DIRECT_COMPRESS",
    """
With `COPY_DIRECT_COMPRESS=true` rows go into the columnstore as they come, instead of after `COMPRESS_AFTER`. It needs
TimescaleDB 2.28.1 or newer under the Timescale licence; older ones do not honour NOT NULL there. Elsewhere the setting is
without effect.

It is decided for every commit and table: a table goes that way when the commit has at least 100 rows of it a segment, on
average. Segments are counted by what the commit names: by resource and scope, of metrics by series, of `trace_index` one;
times the days that the commit reaches. Anything smaller goes into the rowstore as ever, where it costs less: 5,000 rows a
commit take 92 bytes a row in the columnstore, 100 take 283, one takes 1,147.

Each commit leaves batches of its own, which overlap in time. Such a chunk is *unordered*: to find its newest rows all of its
batches are read. So it is slower to read newest first until it is compacted:

- **From 2.29 on** by a compaction policy, every 5 minutes, while the chunk is written to. It passes over a chunk that has rows
  in the rowstore too, which any smaller commit puts there: every half hour our maintenance loop compresses these rows, which
  locks nobody out, and the policy goes on.
- **On 2.28** by our maintenance loop, ten minutes after the chunk's time is over. A shorter `CHUNK_INTERVAL` brings that
  closer. It waits because before 2.29 the rewrite locks the chunk against COPY.

`_timescaledb_functions.chunk_status` tells what a chunk is, as a sum: 1 compressed, 2 unordered, 8 with rows in the rowstore.
""".strip(),
)

_SUMMED = "SELECT sum(span_count) FROM trace_metrics_hourly WHERE bucket = %s"

_END = "SELECT range_end FROM timescaledb_information.chunks WHERE format('%%I.%%I', chunk_schema, chunk_name) = %s"


@DIRECT_COMPRESS.capability(
    "COPY into the columnstore",
    text="*No effect*: the rows are in the rowstore.",
    tried="rollups are brought up to date; 150 spans of one service in one commit, 20 of another day in the next; the status"
    " of both chunks, the rows, and after a refresh the rollup of their hour.",
)
async def copy_into_the_columnstore(target: Target) -> str:
    many, few = noon(3), noon(4)
    store = Store(target.url)
    await store.settle()
    await target.write(many, spans=150, settings=SETTINGS)
    await target.write(few, spans=20, settings=SETTINGS)
    assert await target.count("llm_traces", many) == 150
    assert not await target.status("llm_traces", few)
    await store.settle()
    assert await target.one(_SUMMED, many) == 150
    return YES if await target.status("llm_traces", many) & COMPRESSED else "no effect"


@DIRECT_COMPRESS.capability(
    "put in order by",
    text="The *policy* of TimescaleDB or our *maintenance* loop. *No*: there is nothing to put in order.",
    tried="two commits of 150 spans into the chunk of today leave it unordered; the job is run; if that does not help, a round"
    " of maintenance now, which must leave it as it is, and one ten minutes after its end.",
)
async def put_in_order_by(target: Target) -> str:
    return await _put_in_order(target, noon(0), (150, 150))


@DIRECT_COMPRESS.capability(
    "put in order beside small commits by",
    text="The same for a chunk that gets large commits and small ones. *Both*: the maintenance loop compresses the rows of"
    " small commits, then the policy does the rest.",
    tried="the same with the chunk of tomorrow and a commit of 5 spans between the two; the job is run again after the first"
    " round of maintenance.",
)
async def put_in_order_beside_small_commits_by(target: Target) -> str:
    return await _put_in_order(target, noon(-1), (150, 5, 150))


async def _put_in_order(target: Target, at: datetime, commits: tuple[int, ...]) -> str:
    """By whom, after commits of so many spans into a chunk that can still be written to."""
    await target.engine.reconcile(target.connection, SETTINGS)
    for minute, spans in enumerate(commits):
        await target.write(at + timedelta(minutes=minute), spans=spans, settings=SETTINGS)
    if not await target.status("llm_traces", at) & UNORDERED:
        return NO
    by = "policy"
    await target.run_job("policy_compaction", "llm_traces")
    if await target.status("llm_traces", at) & UNORDERED:
        by = "maintenance"
        await target.engine.follow_changes(target.connection, datetime.now(UTC))
        assert await target.status("llm_traces", at) & UNORDERED
        await target.run_job("policy_compaction", "llm_traces")
        if not await target.status("llm_traces", at) & UNORDERED:
            by = "both"
        end = await target.one(_END, await target.chunk("llm_traces", at))
        await target.engine.follow_changes(target.connection, end + timedelta(minutes=10))
    assert await target.status("llm_traces", at) == COMPRESSED
    assert await target.count("llm_traces", at) == sum(commits)
    return by
