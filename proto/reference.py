"""`docs/reference/api.md` from the descriptors of the protocol and the comments of its .proto files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from google.protobuf.descriptor_pb2 import DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet

PACKAGE = "llm_observatory.api.v1"

_HEAD = f"""# The protocol of the query service

`{PACKAGE}`, from the comments of [proto/](../../proto/llm_observatory/api/v1) by `make proto`. How to ask, from code
and from a shell: [query.md](../query.md). Messages of `opentelemetry.proto` are OTLP's own. Times are nanoseconds since the
Unix epoch unless a field says otherwise.
"""

# Of a path into FileDescriptorProto, DescriptorProto, ServiceDescriptorProto and EnumDescriptorProto (descriptor.proto).
_MESSAGE, _ENUM, _SERVICE, _FIELD, _NESTED, _NESTED_ENUM, _METHOD, _VALUE = 4, 5, 6, 2, 3, 4, 2, 2

Path = tuple[int, ...]


def render(image: FileDescriptorSet) -> str:
    """The page."""
    ours = [file for file in image.file if file.package == PACKAGE]
    ours.sort(key=lambda file: (not file.service, file.name))
    return _HEAD + "".join("\n" + part for file in ours for part in _File(file).parts())


class _File:
    def __init__(self, file: FileDescriptorProto) -> None:
        self._file = file
        self._comments: dict[Path, str] = {
            tuple(place.path): place.leading_comments.strip().replace("\n ", "\n") for place in file.source_code_info.location
        }

    def parts(self) -> Iterator[str]:
        for number, service in enumerate(self._file.service):
            path = (_SERVICE, number)
            rows = [
                (f"`{method.name}`", _call(method), self._said((*path, _METHOD, index)))
                for index, method in enumerate(service.method)
            ]
            yield self._head(2, service.name, path) + _table(("method", "request and answer", "what"), rows)
        for number, message in enumerate(self._file.message_type):
            yield from self._message(message, (_MESSAGE, number), message.name)
        for number, enum in enumerate(self._file.enum_type):
            yield self._enum(enum, (_ENUM, number), enum.name)

    def _message(self, message: DescriptorProto, path: Path, name: str) -> Iterator[str]:
        if message.options.map_entry:
            return
        rows = [
            (f"`{field.name}`", _type(field, message), self._said((*path, _FIELD, index)))
            for index, field in enumerate(message.field)
        ]
        yield self._head(3, name, path) + (_table(("field", "type", "what"), rows) if rows else "")
        for number, nested in enumerate(message.nested_type):
            yield from self._message(nested, (*path, _NESTED, number), f"{name}.{nested.name}")
        for number, enum in enumerate(message.enum_type):
            yield self._enum(enum, (*path, _NESTED_ENUM, number), f"{name}.{enum.name}")

    def _enum(self, enum: Any, path: Path, name: str) -> str:
        rows = [
            (f"`{value.name}`", str(value.number), self._said((*path, _VALUE, index))) for index, value in enumerate(enum.value)
        ]
        return self._head(3, name, path) + _table(("value", "number", "what"), rows)

    def _head(self, level: int, name: str, path: Path) -> str:
        return f"{'#' * level} {name}\n\n{self._comments.get(path, '')}\n\n"

    def _said(self, path: Path) -> str:
        """A comment in one line of a table."""
        return " ".join(self._comments.get(path, "").split()).replace("|", "\\|")


def _call(method: Any) -> str:
    stream = "stream of " if method.server_streaming else ""
    return f"{_named(method.input_type)} → {stream}{_named(method.output_type)}"


def _type(field: FieldDescriptorProto, message: DescriptorProto) -> str:
    scalar = FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()
    kind = _named(field.type_name) if field.type_name else scalar
    for nested in message.nested_type:
        if nested.options.map_entry and field.type_name.endswith(f".{nested.name}"):
            key, value = nested.field
            return f"map of {_type(key, nested)} to {_type(value, nested)}"
    if field.label == FieldDescriptorProto.LABEL_REPEATED:
        return f"repeated {kind}"
    if field.proto3_optional:
        return f"optional {kind}"
    if field.HasField("oneof_index"):
        return f"{kind}, one of `{message.oneof_decl[field.oneof_index].name}`"
    return kind


def _named(full: str) -> str:
    """A type by its name, linked where it is on this page."""
    name = full.removeprefix(".")
    if not name.startswith(f"{PACKAGE}."):
        return f"`{name}`"
    own = name.removeprefix(f"{PACKAGE}.")
    return f"[{own}](#{own.lower().replace('.', '')})"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
