"""Which spans of a trace count otherwise than each says by itself, so that every call of a provider is counted once.

A span says by itself whether it is a call (`usage_role`). Only with the whole trace in view is seen:
- a carrier (the usage of a streamed call, on a sibling of it) belongs to the call before it;
- a call that reports the sum of the calls directly below it sums them up and is none;
- nested calls with the same response id are one call, twice instrumented; where one has no id, those of the same model and the
  same usage, one within the time of the other. The one that tells more counts, of equal ones the outer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from llm_observatory.storage.usage_corrections.spans import Call, Span, calls_around, line_up, same_usage

Verdict = Literal["duplicate", "rollup", "merged", "completed"]


class Decision(NamedTuple):
    """One span that counts otherwise. `other`: the span that counts instead, or the carrier; None where it is several."""

    span_id: bytes
    verdict: Verdict
    other: bytes | None


def decide(trace: Iterable[Span]) -> set[Decision]:
    """Of the spans of one trace, in whatever order they came."""
    spans: dict[bytes, Span] = {}
    for span in sorted(trace, key=lambda span: (span.start, span.span_id)):
        spans.setdefault(span.span_id, span)
    calls = {span.span_id: Call(span) for span in spans.values() if span.role == "call"}
    decided = _carriers(spans.values(), calls)
    above = calls_around(spans, calls)
    sums = _sums(calls, above)
    decided |= {Decision(span_id, "rollup", None) for span_id in sums}
    counted = {span_id: call for span_id, call in calls.items() if span_id not in sums}
    instead = _duplicates(counted, above)
    decided |= {Decision(span_id, "duplicate", other) for span_id, other in instead.items()}
    for span_id, call in counted.items():
        if call.carrier is not None and span_id not in instead:
            decided.add(Decision(span_id, "completed", call.carrier.span_id))
    return decided


def _carriers(spans: Iterable[Span], calls: dict[bytes, Call]) -> set[Decision]:
    """Give each carrier to the last sibling before it whose usage is missing, or else is the same."""
    decided: set[Decision] = set()
    siblings: dict[bytes | None, list[bytes]] = defaultdict(list)
    for span in spans:  # in the order of time
        if span.role == "call":
            siblings[span.parent_span_id].append(span.span_id)
        if span.role != "carrier":
            continue
        before = siblings[span.parent_span_id]
        fit = [place for place in before if not span.models or not calls[place].models or span.models & calls[place].models]
        missing = [place for place in fit if calls[place].span.unreported and calls[place].carrier is None]
        same = [place for place in fit if same_usage(calls[place].tokens, span.tokens)]
        if missing:
            calls[missing[-1]] = Call(calls[missing[-1]].span, span)
            decided.add(Decision(span.span_id, "merged", missing[-1]))
        elif same:
            decided.add(Decision(span.span_id, "duplicate", same[-1]))
    return decided


def _sums(calls: Mapping[bytes, Call], above: dict[bytes, bytes | None]) -> set[bytes]:
    """Calls that report what several calls directly below them do together; those stand below the next one then."""
    below: dict[bytes, list[bytes]] = defaultdict(list)
    for span_id, parent in above.items():
        if parent is not None:
            below[parent].append(span_id)
    found: set[bytes] = set()
    for span_id in sorted(below, key=lambda place: len(line_up(above, place)), reverse=True):
        parts = [calls[place] for place in below[span_id]]
        if len(parts) > 1 and _sums_up(calls[span_id], parts):
            found.add(span_id)
            parent = above.pop(span_id)
            for place in below[span_id]:
                above[place] = parent
            if parent is not None:
                below[parent].remove(span_id)
                below[parent] += below[span_id]
    return found


def _sums_up(call: Call, parts: list[Call]) -> bool:
    if call.response_id is not None and call.response_id not in {part.response_id for part in parts}:
        return False
    totals = [[part.tokens[place] for part in parts] for place in (0, 1)]
    known = [[tokens for tokens in total if tokens is not None] for total in totals]
    sums = [sum(total) for total in known]
    whole = all(len(some) == len(total) for some, total in zip(known, totals, strict=True))
    return whole and sum(sums) > 0 and list(call.tokens[:2]) == sums


def _duplicates(calls: Mapping[bytes, Call], above: Mapping[bytes, bytes | None]) -> dict[bytes, bytes]:
    """Spans of calls that another span counts for, and which."""
    around = {span_id: line_up(above, span_id) for span_id in calls}
    group = {span_id: {span_id} for span_id in calls}
    for span_id, call in calls.items():
        for outer in around[span_id]:
            if call.response_id is not None and call.response_id == calls[outer].response_id:
                _join(group, outer, span_id)
    for span_id, call in calls.items():
        for outer in around[span_id]:
            if _alike(calls[outer], call) and _may_be_one(group[outer] | group[span_id], calls, around):
                _join(group, outer, span_id)
                break
    instead: dict[bytes, bytes] = {}
    for members in {id(members): members for members in group.values()}.values():
        counts = max(members, key=lambda place: (calls[place].detail, -len(around[place]), place))
        instead |= dict.fromkeys(members - {counts}, counts)
    return instead


def _join(group: dict[bytes, set[bytes]], one: bytes, other: bytes) -> None:
    if group[one] is not group[other]:
        group[one] |= group[other]
        for member in group[other]:
            group[member] = group[one]


def _may_be_one(members: set[bytes], calls: Mapping[bytes, Call], around: Mapping[bytes, Sequence[bytes]]) -> bool:
    """Whether each is nested in the other, for two calls beside each other are two, and no two have other ids."""
    innermost = max(members, key=lambda place: len(around[place]))
    return members <= {innermost, *around[innermost]} and len({calls[place].response_id for place in members} - {None}) <= 1


def _alike(outer: Call, inner: Call) -> bool:
    """Two spans without the same id that may be of one call all the same."""
    if outer.response_id is not None and inner.response_id is not None:
        return False
    within = outer.span.start <= inner.span.start and outer.end is not None and inner.end is not None and inner.end <= outer.end
    return within and bool(outer.models & inner.models) and same_usage(outer.tokens, inner.tokens)
