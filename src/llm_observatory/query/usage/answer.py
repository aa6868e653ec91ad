"""What was found as messages of the protocol."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from llm_observatory.api.v1.usage_query_service_pb2 import ContentItem, ConversationSummary, Turn, Usage
from llm_observatory.query.time_range import nanoseconds
from llm_observatory.query.usage.latency import latencies
from llm_observatory.query.usage.repository import ContentFound, ConversationFound, Sums, TurnFound

_NANOSECONDS_PER_MILLISECOND = 1_000_000
MAX_INT64 = 2**63 - 1


def usage_of(sums: Sums) -> Usage:
    """Sums as the protocol has them."""
    p50, p95, p99 = latencies(sums.duration_buckets, 0.5, 0.95, 0.99)
    ttft_p50, ttft_p95 = latencies(sums.ttft_buckets, 0.5, 0.95)
    mean = None
    if sums.timed_count and sums.duration_ns_sum is not None:
        mean = float(sums.duration_ns_sum / sums.timed_count / _NANOSECONDS_PER_MILLISECOND)
    return Usage(
        call_count=sums.call_count,
        error_count=sums.error_count,
        unreported_count=sums.unreported_count,
        input_tokens=_whole(sums.input_tokens),
        output_tokens=_whole(sums.output_tokens),
        cache_read_tokens=_whole(sums.cache_read_tokens),
        cache_write_tokens=_whole(sums.cache_write_tokens),
        reasoning_tokens=_whole(sums.reasoning_tokens),
        cost_usd=None if sums.cost_usd is None else float(sums.cost_usd),
        unpriced_count=sums.unpriced_count,
        reported_cost_usd=sums.reported_cost_usd,
        duration_ms_mean=mean,
        duration_ms_p50=p50,
        duration_ms_p95=p95,
        duration_ms_p99=p99,
        ttft_ms_p50=ttft_p50,
        ttft_ms_p95=ttft_p95,
    )


def _whole(tokens: Decimal | None) -> int | None:
    """What does not fit into int64, which no honest client reports, is told as its bounds."""
    return None if tokens is None else max(-MAX_INT64 - 1, min(MAX_INT64, int(tokens)))


def summary_of(found: ConversationFound) -> ConversationSummary:
    """A conversation in a list."""
    return ConversationSummary(
        conversation_id=found.conversation_id,
        first_time_unix_nano=found.first_time,
        last_time_unix_nano=found.last_time,
        trace_count=found.trace_count,
        service_names=found.service_names,
        models=found.models,
        user_ids=found.user_ids,
        agent_names=found.agent_names,
        usage=usage_of(found.sums),
    )


def turn_of(found: TurnFound, content: Sequence[ContentFound]) -> Turn:
    """A span of a conversation with what was said."""
    return Turn(
        trace_id=found.trace_id.bytes,
        span_id=found.span_id,
        parent_span_id=found.parent_span_id or b"",
        start_time_unix_nano=nanoseconds(found.timestamp, found.timestamp_nanos),
        duration_nano=found.duration_ns,
        service_name=found.service_name,
        span_name=found.span_name,
        operation=found.operation or "",
        provider=found.provider,
        model=found.model or "",
        agent_name=found.agent_name or "",
        tool_name=found.tool_name or "",
        user_id=found.user_id or "",
        input_tokens=found.input_tokens if found.counts else None,
        output_tokens=found.output_tokens if found.counts else None,
        cost_usd=found.cost_usd if found.counts else None,
        ttft_ms=found.ttft_ms,
        finish_reasons=found.finish_reasons or (),
        is_error=found.is_error,
        error_type=found.error_type or "",
        status_message=found.status_message or "",
        content=[
            ContentItem(
                kind=item.kind,
                carrier=item.carrier,
                attribute=item.attribute,
                body=item.body,
                is_json=item.is_json,
                original_length=item.original_length,
            )
            for item in content
        ],
    )
