"""One large resource with many scopes or records: it is neither copied nor looked through again for each of them."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time

import pytest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans

from tests.unit.codec import spans

MIB = 1024**2
ALONE = pytest.mark.alone("it judges time: no other test beside it")


def message(size: int, scopes: list[ScopeSpans], pieces: int = 1) -> bytes:
    """A request with a resource of so many bytes, sent in pieces."""
    part = Resource(attributes=spans.attributes({"k": "v" * (size // pieces)}))
    several = b"".join(ResourceSpans(resource=part).SerializeToString() for _ in range(pieces))
    return bytes(spans.field(1, several + ResourceSpans(scope_spans=scopes).SerializeToString()))


def scope(name: str, count: int = 1) -> ScopeSpans:
    return ScopeSpans(scope=InstrumentationScope(name=name), spans=[spans.span() for _ in range(count)])


def seconds(payload: bytes) -> float:
    """Of CPU, the least of three."""
    took = []
    for _ in range(3):
        began = time.process_time()
        spans.encode(payload)
        took.append(time.process_time() - began)
    return min(took)


@ALONE
@pytest.mark.parametrize("pieces", [1, 2])
def test_a_scope_more_costs_no_look_through_the_resource(implementation: str, pieces: int) -> None:
    few, many = (message(4_000_000, [scope("a")] * count, pieces) for count in (20, 1000))
    assert seconds(many) < 5 * seconds(few)


@ALONE
def test_a_source_that_comes_back_costs_no_copy_a_record(implementation: str) -> None:
    straight = message(2_000_000, [scope("a"), scope("b"), scope("b", 2000)])
    back = message(2_000_000, [scope("a"), scope("b"), scope("a", 2000)])
    assert seconds(back) < 3 * seconds(straight)


def test_a_resource_in_pieces_is_held_once(implementation: str) -> None:
    """In a process of its own, whose peak is nobody else's."""
    run = subprocess.run(
        [sys.executable, "-m", __spec__.name, implementation], capture_output=True, text=True, check=True, env=os.environ
    )
    assert int(run.stdout) < 250 * MIB, "the rows of sources alone take 64 MiB twice"


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    from llm_observatory import codec

    codec.select(sys.argv[1])
    spans.encode(message(1000, [scope("a")]))
    hostile = message(1_000_000, [scope(f"scope {number}") for number in range(1000)], pieces=2)
    before = _peak()
    spans.encode(hostile)
    print(_peak() - before)  # noqa: T201 - what the test reads
