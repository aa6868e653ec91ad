"""LogSelection as SQL: which log records are meant."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llm_observatory.api.v1.log_query_service_pb2 import LogSelection
from llm_observatory.errors import InvalidQuery
from llm_observatory.query import checks
from llm_observatory.query.conditions import AttributePlace
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import SQL, Composed
from llm_observatory.tables import LLM_LOGS

MAX_WORDS = 10
MAX_SEVERITY = 24

_CASELESS = re.compile(r"[\x00-@\[-`{-\x7f]+")
"""ASCII without letters."""

PLACE = AttributePlace(LLM_LOGS, "attributes")


def conditions(asked: LogSelection, values: Values, field: str = "selection") -> list[Composed]:
    """A condition for everything that is set. Raises InvalidQuery."""
    found: list[Composed] = []
    services = checks.texts(f"{field}.service_names", asked.service_names)
    if len(services) == 1:
        # Equality, not a list of one: the index by service gives the order of time with it.
        found.append(SQL("service_name = {}").format(values.add(services[0])))
    elif services:
        found.append(SQL("service_name = ANY({})").format(values.add(services)))
    if asked.min_severity:
        if not 1 <= asked.min_severity <= MAX_SEVERITY:
            raise InvalidQuery(f"{field}.min_severity", f"is {asked.min_severity}, not 1 to {MAX_SEVERITY}")
        found.append(SQL("severity_number >= {}").format(values.add(asked.min_severity)))
    found += _ids(asked, values, field)
    if asked.event_name:
        found.append(SQL("event_name = {}").format(values.add(checks.text(f"{field}.event_name", asked.event_name))))
    found += [_stands(word, values) for word in words(asked.text, f"{field}.text")]
    return found + PLACE.all_of(asked.attributes, values, f"{field}.attributes")


def words(text: str, field: str) -> list[str]:
    """What is looked for, one by one."""
    found = checks.text(field, text).split()
    if len(found) > MAX_WORDS:
        raise InvalidQuery(field, f"has more than {MAX_WORDS} words")
    return found


def _ids(asked: LogSelection, values: Values, field: str) -> Sequence[Composed]:
    trace_id = checks.identifier(f"{field}.trace_id", asked.trace_id, checks.TRACE_ID_BYTES)
    span_id = checks.identifier(f"{field}.span_id", asked.span_id, checks.SPAN_ID_BYTES)
    if span_id is not None and trace_id is None:
        raise InvalidQuery(f"{field}.span_id", "needs trace_id: span ids are unique within a trace only")
    found = []
    if trace_id is not None:
        found.append(SQL("trace_id = {}::uuid").format(values.add(trace_id.hex())))
    if span_id is not None:
        found.append(SQL("span_id = {}").format(values.add(span_id)))
    return found


def _stands(word: str, values: Values) -> Composed:
    """Whole words only, which is what a filter of an hour knows (`search_filters`); LIKE first, for it is the faster one.

    ILIKE makes lower case of every text. A word without letters, a number for one, is the same in both: no letter has a lower
    case that is none, and this way a day is read in half the time.
    """
    like = "%" + re.sub(r"([\\%_])", r"\\\1", word) + "%"
    whole = rf"(^|[^[:alnum:]_]){re.escape(word)}($|[^[:alnum:]_])"
    return SQL(
        "((message {operator} {like} AND message ~* {whole}) OR (body::text {operator} {like} AND body::text ~* {whole}))"
    ).format(
        operator=SQL("LIKE") if _CASELESS.fullmatch(word) else SQL("ILIKE"), like=values.add(like), whole=values.add(whole)
    )
