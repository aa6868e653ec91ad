"""UsageSelection and UsageGroup as SQL: which calls are meant, and by what they are told apart."""

from __future__ import annotations

from collections.abc import Sequence

from llm_observatory.api.v1.usage_query_service_pb2 import UsageGroup, UsageSelection
from llm_observatory.errors import InvalidQuery
from llm_observatory.query import checks
from llm_observatory.query.values import Values
from llm_observatory.storage.compose import SQL, Composable, Composed
from llm_observatory.tables.rollups import ROLLED_UP_DIMENSIONS, USAGE_DIMENSIONS

_GROUPS = {
    UsageGroup.USAGE_GROUP_SERVICE: "service",
    UsageGroup.USAGE_GROUP_PROVIDER: "provider",
    UsageGroup.USAGE_GROUP_MODEL: "model",
    UsageGroup.USAGE_GROUP_OPERATION: "operation",
    UsageGroup.USAGE_GROUP_ENVIRONMENT: "environment",
    UsageGroup.USAGE_GROUP_AGENT: "agent",
    UsageGroup.USAGE_GROUP_USER: "user",
    UsageGroup.USAGE_GROUP_CONVERSATION: "conversation",
}


def _selected(asked: UsageSelection) -> dict[str, tuple[str, Sequence[str]]]:
    """What is chosen of each dimension, and the name of its field."""
    return {
        "service": ("service_names", asked.service_names),
        "provider": ("providers", asked.providers),
        "model": ("models", asked.models),
        "operation": ("operations", asked.operations),
        "environment": ("environments", asked.environments),
        "agent": ("agent_names", asked.agent_names),
        "user": ("user_ids", asked.user_ids),
        "conversation": ("conversation_ids", asked.conversation_ids),
    }


def groups(asked: Sequence[UsageGroup.ValueType], field: str = "group_by") -> list[Composable]:
    """What each group is, empty where a call does not say. Raises InvalidQuery."""
    for place, group in enumerate(asked):
        if group not in _GROUPS:
            raise InvalidQuery(f"{field}[{place}]", f"is {group}, which is no group")
        if group in asked[:place]:
            raise InvalidQuery(f"{field}[{place}]", "is there already")
    return [SQL(USAGE_DIMENSIONS[_GROUPS[group]]) for group in asked]


def conditions(asked: UsageSelection, values: Values, field: str = "selection") -> list[Composed]:
    """A condition for everything that is set. Raises InvalidQuery."""
    found = []
    for dimension, (name, given) in _selected(asked).items():
        chosen = checks.texts(f"{field}.{name}", given)
        if chosen:
            found.append(SQL("{} = ANY({})").format(SQL(USAGE_DIMENSIONS[dimension]), values.add(chosen)))
    return found


def known_to_rollups(asked: UsageSelection, group_by: Sequence[UsageGroup.ValueType]) -> bool:
    """Whether rollups can answer."""
    used = {_GROUPS.get(group) for group in group_by} | {of for of, (_, given) in _selected(asked).items() if given}
    return used <= set(ROLLED_UP_DIMENSIONS)
