"""Which spans count otherwise than each says by itself: every pattern of emitters, and what only looks like one."""

from __future__ import annotations

import random
from typing import Any

import pytest

from llm_observatory.storage.usage_corrections import Decision, Span, decide

MODEL = frozenset({"gpt-4o"})


def span(
    number: int, under: int | None = None, role: str = "call", *, at: float = 0, to: float | None = 100, **given: Any
) -> Span:
    """Times in seconds; `tokens` are input, output and what follows."""
    tokens = given.pop("tokens", (10, 5))
    made: dict[str, Any] = {"models": MODEL, "response_id": None, "detail": 0, **given}
    whole = (*tokens, *[None] * (5 - len(tokens)))
    parent = None if under is None else bytes([under])
    return Span(bytes([number]), parent, int(at * 1e9), None if to is None else int(to * 1e9), role, tokens=whole, **made)


def other(number: int, under: int | None = None, role: str = "none", **given: Any) -> Span:
    """A span that is no call."""
    return span(number, under, role, models=frozenset(), tokens=(None, None), **given)


def decided(*trace: Span) -> dict[int, tuple[str, int | None]]:
    """Verdict and other span by span; whatever order the spans come in."""
    found = decide(trace)
    for seed in range(5):
        assert decide(random.Random(seed).sample(trace, len(trace))) == found, "the order in which spans come says nothing"
    return {decision.span_id[0]: (decision.verdict, decision.other[0] if decision.other else None) for decision in found}


def test_calls_beside_each_other_are_calls() -> None:
    assert decided(other(1), span(2, 1), span(3, 1), span(4, 1, response_id="a"), span(5, 1, response_id="b")) == {}


def test_an_sdk_that_instruments_itself_under_an_instrumentor_made_one_call() -> None:
    """Anthropic's: both spans have the answer's id and the same usage. The outer counts."""
    assert decided(span(1, response_id="a"), span(2, 1, response_id="a", at=1, to=99)) == {2: ("duplicate", 1)}


def test_two_instrumentors_with_a_chain_between_made_one_call() -> None:
    """LangChain's and OpenAI's."""
    trace = [other(9), span(1, 9, response_id="a"), other(2, 1), other(3, 2), span(4, 3, response_id="a", at=1, to=99)]
    assert decided(*trace) == {4: ("duplicate", 1)}


def test_the_span_that_tells_more_counts() -> None:
    outer = span(1, response_id="a", tokens=(None, None), detail=5)
    assert decided(outer, span(2, 1, response_id="a", detail=0)) == {1: ("duplicate", 2)}
    assert decided(span(1, response_id="a"), span(2, 1, response_id="a", tokens=(10, 5, 3))) == {1: ("duplicate", 2)}
    assert decided(span(1, response_id="a"), span(2, 1, response_id="a", detail=1)) == {1: ("duplicate", 2)}


def test_three_layers_are_one_call() -> None:
    trace = [span(1, response_id="a"), span(2, 1, at=1, to=90), span(3, 2, response_id="a", at=2, to=80)]
    assert decided(*trace) == {2: ("duplicate", 1), 3: ("duplicate", 1)}


@pytest.mark.parametrize("lacking", [(1,), (2,), (1, 2)])
def test_without_an_id_model_usage_and_time_tell(lacking: tuple[int, ...]) -> None:
    ids: dict[int, str | None] = {number: None if number in lacking else "a" for number in (1, 2)}
    trace = [
        span(1, response_id=ids[1]),
        span(2, 1, response_id=ids[2], at=1, to=99, models=frozenset({"gpt-4o", "gpt-4o-2024"})),
    ]
    assert decided(*trace) == {2: ("duplicate", 1)}


@pytest.mark.parametrize(
    "different",
    [
        {"models": frozenset({"o3"})},
        {"models": frozenset()},
        {"tokens": (10, 6)},
        {"tokens": (None, None)},
        {"to": 101},
        {"to": None},
        {"at": -1},
    ],
)
def test_without_an_id_what_differs_is_another_call(different: dict[str, Any]) -> None:
    assert decided(span(1), span(2, 1, **{"at": 1, "to": 99, **different})) == {}


def test_other_ids_are_other_calls() -> None:
    assert decided(span(1, response_id="a"), span(2, 1, response_id="b", at=1, to=99)) == {}


def test_of_two_calls_alike_below_one_span_only_one_is_the_same() -> None:
    """A retry, say: the outer span stands for one of them."""
    trace = [span(1), span(2, 1, response_id="a", at=1, to=40), span(3, 1, response_id="b", at=41, to=99)]
    assert decided(*trace) == {2: ("duplicate", 1)}
    trace = [span(1), span(2, 1, at=1, to=40), span(3, 1, at=41, to=99)]
    assert decided(*trace) == {2: ("duplicate", 1)}


def test_agents_chains_and_repeated_attributes_count_nothing_by_themselves() -> None:
    """Vercel's agent and LangSmith's chain repeat usage, LiteLLM's raw request repeats attributes: their roles say so."""
    trace = [span(1, role="rollup", response_id="a"), span(2, 1, response_id="a"), span(3, 2, role="none", response_id="a")]
    assert decided(*trace) == {}


def test_a_call_that_sums_up_those_below_it_is_none() -> None:
    trace = [span(1, tokens=(30, 15)), other(2, 1), span(3, 2, response_id="a"), span(4, 1, tokens=(20, 10), response_id="b")]
    assert decided(*trace) == {1: ("rollup", None)}
    assert decided(trace[0]._replace(response_id="b"), *trace[1:]) == {1: ("rollup", None)}, "of the last answer, often"
    assert decided(trace[0]._replace(response_id="c"), *trace[1:]) == {}
    assert decided(trace[0]._replace(tokens=(30, 16, None, None, None)), *trace[1:]) == {}
    assert decided(span(1, tokens=(0, 0)), span(2, 1, tokens=(0, 0), to=101), span(3, 1, tokens=(0, 0), to=101)) == {}


def test_sums_of_sums_and_of_calls_that_are_twice_there() -> None:
    trace = [
        span(1, tokens=(30, 15)),
        span(2, 1, tokens=(30, 15), at=1, to=99),
        span(3, 2, response_id="a", at=2, to=50),
        span(4, 3, response_id="a", at=3, to=49),
        span(5, 2, response_id="b", tokens=(20, 10), at=51, to=98),
    ]
    assert decided(*trace) == {1: ("rollup", None), 2: ("rollup", None), 4: ("duplicate", 3)}


def test_the_usage_of_a_stream_goes_to_the_call_before_it() -> None:
    """Logfire: the call ends when the stream begins and reports nothing, a sibling without length does."""
    trace = [
        other(9),
        span(1, 9, tokens=(None, None), at=0, to=1),
        span(2, 9, "carrier", at=5, to=5),
        span(3, 9, tokens=(None, None), at=6, to=7),
        span(4, 9, "carrier", at=9, to=9, tokens=(7, 7)),
    ]
    assert decided(*trace) == {1: ("completed", 2), 2: ("merged", 1), 3: ("completed", 4), 4: ("merged", 3)}


def test_a_carrier_finds_no_call_of_others() -> None:
    carrier = span(2, 9, "carrier", at=5, to=5)
    assert decided(other(9), carrier) == {}, "its call may still come"
    assert decided(span(1, 8, tokens=(None, None), to=1), carrier) == {}, "no sibling"
    assert decided(span(1, 9, tokens=(None, None), at=6, to=7), carrier) == {}, "not before it"
    assert decided(span(1, 9, tokens=(None, None), to=1, models=frozenset({"o3"})), carrier) == {}
    assert decided(span(1, 9, to=1, tokens=(99, 5)), carrier) == {}, "it has a usage of its own"


def test_a_carrier_that_repeats_what_its_call_reports_is_a_duplicate() -> None:
    assert decided(span(1, 9, to=1), span(2, 9, "carrier", at=5, to=5)) == {2: ("duplicate", 1)}


def test_a_streamed_call_that_is_instrumented_twice() -> None:
    trace = [
        span(1, 9, tokens=(None, None), at=0, to=1, detail=3),
        span(2, 1, response_id="a", at=0.5, to=4, tokens=(10, 5)),
        span(3, 9, "carrier", at=5, to=5),
    ]
    assert decided(*trace) == {1: ("completed", 3), 3: ("merged", 1), 2: ("duplicate", 1)}
    richer = trace[1]._replace(tokens=(10, 5, 2, None, None))
    assert decided(trace[0], richer, trace[2]) == {1: ("duplicate", 2), 3: ("merged", 1)}


def test_a_circle_of_parents_and_parents_that_never_came() -> None:
    assert decided(span(1, 2), span(2, 1, tokens=(7, 7)), span(3, 77), other(4, 5), other(5, 4), span(6, 4)) == {}
    assert decided(span(1, 1, response_id="a")) == {}


def test_a_repeated_span_is_one_span() -> None:
    assert decide([span(1, response_id="a"), span(1, response_id="a")]) == set()


def test_long_chains_take_time_in_proportion() -> None:
    """A chain of 5,000 calls, each in the one before: none is looked at against all others."""
    chain = [
        Span(n.to_bytes(4, "big"), (n - 1).to_bytes(4, "big"), n, 100_000 - n, "call", MODEL, None, (n, n, None, None, None), 0)
        for n in range(1, 5001)
    ]
    assert decide(chain) == set()
    same = [link._replace(response_id="a") for link in chain]
    assert decide(same) == {Decision(link.span_id, "duplicate", same[0].span_id) for link in same[1:]}
