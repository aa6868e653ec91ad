"""The parameters of one statement."""

from __future__ import annotations

from llm_observatory.storage.compose import Placeholder


class Values:
    """The parameters of one statement; each gets a name of its own."""

    def __init__(self, **given: object) -> None:
        self.parameters: dict[str, object] = given

    def add(self, value: object) -> Placeholder:
        """A parameter, as it stands in the statement."""
        name = f"v{len(self.parameters)}"
        self.parameters[name] = value
        return Placeholder(name)

    def copy(self) -> Values:
        """These, to which more may be added without touching them."""
        return Values(**self.parameters)
