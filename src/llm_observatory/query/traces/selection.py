"""The conditions of a search as SQL, and what the filters of hours may be asked about them."""

from __future__ import annotations

from collections.abc import Sequence

from llm_observatory.api.v1.selection_pb2 import AttributeFilter, AttributeScope, AttributeValue
from llm_observatory.api.v1.trace_query_service_pb2 import GetTraceMetricsRequest, SearchTracesRequest
from llm_observatory.errors import InvalidQuery
from llm_observatory.query import checks
from llm_observatory.query.conditions import AttributePlace
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import SQL, Composed
from llm_observatory.tables import LLM_TRACES

PLACE = AttributePlace(LLM_TRACES, "attributes")

_LONGEST_NS = 2**63 - 1


def conditions(asked: SearchTracesRequest, values: Values) -> list[Composed]:
    """A condition for everything that is set. Raises InvalidQuery."""
    found = of_any(asked, values)
    if asked.status_codes:
        found.append(SQL("status_code = ANY({})").format(values.add(list(asked.status_codes))))
    found += _duration(asked, values)
    for field, condition in (
        ("conversation_id", "conversation_id = {0}"),
        ("user_id", "user_id = {0}"),
        ("agent_name", "agent_name = {0}"),
        ("model", "(request_model = {0} OR response_model = {0})"),
    ):
        if text := checks.text(field, getattr(asked, field)):
            found.append(SQL(condition).format(values.add(text)))
    return found + PLACE.all_of(asked.attributes, values)


def of_any(asked: SearchTracesRequest | GetTraceMetricsRequest, values: Values) -> list[Composed]:
    """Conditions on what rollups are told apart by, too."""
    found = []
    for field, column in (("service_names", "service_name"), ("span_names", "span_name")):
        texts = checks.texts(field, getattr(asked, field))
        if len(texts) == 1:
            # Equality, not a list of one: the index by service gives the order of time with it.
            found.append(SQL("{} = {}").format(SQL(column), values.add(texts[0])))
        elif texts:
            found.append(SQL("{} = ANY({})").format(SQL(column), values.add(texts)))
    if asked.kinds:
        found.append(SQL("span_kind = ANY({})").format(values.add(list(asked.kinds))))
    if asked.entry_spans_only:
        found.append(SQL("is_entry").format())
    return found


def known_to_filters(asked: SearchTracesRequest) -> Sequence[AttributeFilter]:
    """The conditions that the filters of hours may know something about."""
    found = list(asked.attributes)
    for key, text in (("gen_ai.conversation.id", asked.conversation_id), ("user.id", asked.user_id)):
        if text:
            equals = AttributeValue(string_value=text)
            found.append(AttributeFilter(key=key, scope=AttributeScope.ATTRIBUTE_SCOPE_RECORD, equals=equals))
    return found


def _duration(asked: SearchTracesRequest, values: Values) -> list[Composed]:
    least, most = asked.min_duration_nano, asked.max_duration_nano
    if most and least > most:
        raise InvalidQuery("min_duration_nano", "is above max_duration_nano")
    found = []
    if least:
        found.append(SQL("duration_ns >= {}::int8").format(values.add(min(least, _LONGEST_NS))))
    if most:
        found.append(SQL("duration_ns <= {}::int8").format(values.add(min(most, _LONGEST_NS))))
    return found
