"""docs/reference/cli.md, of the commands as they are declared.

Any: typer has a copy of click of its own, whose types are private.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import typer
from typer.core import TyperGroup

from llm_observatory.app.cli import cli
from llm_observatory.app.cli.failure import FAILED, WRONG_SETTINGS
from llm_observatory.operate.doctor.line import WARNED

EXIT_CODES = {
    0: "done",
    FAILED: "failed, or (`migrate status`, `migrate verify`, `check`, `doctor`, `bench`) something is not as it should be",
    WRONG_SETTINGS: "settings or arguments are wrong",
    WARNED: "(`doctor`) there are warnings, and nothing failed",
}

BAR = r"\|"
"""A bar inside a cell."""

_WORDS = {int: "number", float: "number", Path: "path"}

_HEAD = """\
# Commands: reference

Made from the commands themselves by `make reference`, and compared with them by `make check`; `--help` says the same on every
level. What goes with what, and when: [commands.md](../commands.md).

| exit code | |
|---|---|
"""

_OPTIONS = """
| option | values | default | meaning |
|---|---|---|---|
"""


def page() -> str:
    """The whole page."""
    codes = (f"| {code} | {meaning} |\n" for code, meaning in EXIT_CODES.items())
    return "".join([_HEAD, *codes, *_sections(typer.main.get_command(cli), "")])


def _sections(command: Any, path: str) -> Iterator[str]:
    if isinstance(command, TyperGroup):
        nobody: Any = None
        for name in command.list_commands(nobody):
            yield from _sections(command.get_command(nobody, name), f"{path} {name}".strip())
        return
    yield f"\n## {path}\n\n{inspect.cleandoc(command.help)}\n"
    if command.params:
        yield _OPTIONS
        yield from map(_row, command.params)


def _row(option: Any) -> str:
    is_option = option.opts[0].startswith("-")
    name = ", ".join(f"`{name}`" for name in option.opts) if is_option else f"`{option.metavar or option.name.upper()}`"
    variable = f", or `{option.envvar}` of the environment" if option.envvar else ""
    cells = [name, _values(option), _default(option), f"{(option.help or '').rstrip('.')}{variable}"]
    return f"| {' | '.join(cell.replace('|', BAR) for cell in cells)} |\n"


def _values(option: Any) -> str:
    """A flag has none; what a parser of ours takes is in the words of the help."""
    if getattr(option, "is_flag", False):
        return ""
    kinds = [kind for kind in _unwrapped(option.type_descriptor.annotation) if kind is not type(None)]
    said = ", ".join(_WORDS.get(kind, "text") if isinstance(kind, type) else f"`{kind}`" for kind in kinds)
    bounds = {"from": option.min, "to": option.max}
    said += "".join(f" {word} {bound:,}" for word, bound in bounds.items() if bound is not None)
    return said + (", more than once" if option.multiple else "")


def _unwrapped(annotation: Any) -> Iterator[Any]:
    """The types or literal words that an option takes."""
    if inner := get_args(annotation):
        yield from (part for one in inner for part in _unwrapped(one))
    else:
        yield annotation


def _default(option: Any) -> str:
    if option.required:
        return "required"
    default = option.default
    return "" if default in (None, "", (), [], False) or callable(default) else f"`{default}`"
