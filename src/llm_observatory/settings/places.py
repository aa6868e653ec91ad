"""The places settings are read from: the environment, `.env`, a YAML file. Names are judged here, values are not."""

from __future__ import annotations

import difflib
import io
import re
from collections.abc import Mapping
from pathlib import Path

import yaml
from dotenv.parser import parse_stream

from llm_observatory.settings.declared import SECRETS, Settings

OUR_PREFIXES = (
    "ACCEPT_", "DB_", "INGEST_", "LEDGER_", "LLM_OBSERVATORY_", "OBSERVATORY_", "OTLP_", "REDIS_", "HEALTH_CHECK_",
)  # fmt: skip
"""Environment names that begin so are ours: a typing error in one is reported, not ignored."""

# Kubernetes puts REDIS_PORT_6379_TCP_ADDR and the like into every pod, for a Service that happens to be called redis.
_SERVICE_LINK = re.compile(r"_SERVICE_HOST$|_SERVICE_PORT(_\w+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$")


_KNOWN = (*Settings.model_fields, "config_file")


class Source:
    """The values of one place under lower-case names, and its faults."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.values: dict[str, str] = {}
        self.faults: list[str] = []
        self.near_misses: list[str] = []
        self.meant: set[str] = set()
        """The settings that misspelt names probably mean: their values are not known."""

    def fault(self, message: str) -> None:
        """Something is wrong here."""
        self.faults.append(f"{self.origin}: {message}")

    def unknown(self, name: str) -> None:
        """A name that should be ours and is not."""
        close = difflib.get_close_matches(name.lower(), Settings.model_fields, n=1, cutoff=0.8)
        self.meant.update(close)
        self.fault(f"unknown setting {name}" + (f"; did you mean {close[0].upper()}?" if close else ""))

    def foreign(self, name: str) -> None:
        """A name that others may have put here for themselves: worth a word if it is nearly one of ours."""
        key = name.lower()
        close = difflib.get_close_matches(key, _KNOWN, n=1, cutoff=0.85)
        # TEST_DATABASE_URL is no typing error.
        if close and name != "CONFIG_FILE" and (key == close[0] or f"_{close[0]}_" not in f"_{key}_"):
            self.near_misses.append(f"{self.origin}: {name} is none of our settings; {close[0].upper()} is")

    def take(self, key: str, value: str | None) -> None:
        """A value of a setting."""
        # A password may begin or end with a space, but not with the newline that files of secrets end with.
        text = (value or "").strip("\r\n") if key in SECRETS else (value or "").strip()
        if text.strip():
            self.values[key] = text


def _is_service_link(name: str, value: str) -> bool:
    return bool(_SERVICE_LINK.search(name)) or (name.endswith("_PORT") and value.startswith(("tcp://", "udp://", "sctp://")))


def from_environment(names: Mapping[str, str | None], origin: str) -> Source:
    """The settings among environment variables."""
    source = Source(origin)
    for name, value in names.items():
        key = name.lower()
        if key in Settings.model_fields and name == name.upper():
            source.take(key, value)
        elif _is_service_link(name, value or ""):
            continue
        elif name.upper().startswith(OUR_PREFIXES):
            source.unknown(name)
        else:
            source.foreign(name)
    return source


def from_env_file(path: Path) -> tuple[Source, str | None]:
    """The settings in `.env`, and its CONFIG_FILE. Values are taken as written: `$` has no meaning."""
    source = Source(str(path))
    if not path.exists():
        return source, None
    text = _read(path, source)
    names: dict[str, str | None] = {}
    for binding in parse_stream(io.StringIO(text)):
        if binding.error:
            source.fault(f"line {binding.original.line} is not NAME=value")
        elif binding.key is not None and binding.key in names:
            source.fault(f"line {binding.original.line} sets {binding.key} a second time")
        elif binding.key is not None:
            names[binding.key] = binding.value
    settings = from_environment(names, str(path))
    settings.faults = [*source.faults, *settings.faults]
    return settings, names.get("CONFIG_FILE")


def from_yaml(path: str) -> Source:
    """The settings in a YAML file; none without a path."""
    source = Source(path)
    if not path:
        return source
    try:
        root = yaml.compose(_read(Path(path), source, missing="CONFIG_FILE names a file that does not exist"), yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        # Not the error's own text: it quotes the line, which may hold a password.
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        source.fault(f"{line}not YAML: {error.problem or error.context}")
        return source
    except yaml.YAMLError as error:
        source.fault(f"not YAML: {type(error).__name__}")
        return source
    if isinstance(root, yaml.MappingNode):
        for key, value in root.value:
            _take_node(source, key, value)
    elif root is not None and root.tag != "tag:yaml.org,2002:null":
        source.fault("must be a mapping of setting names to values")
    return source


def _take_node(source: Source, key: yaml.Node, value: yaml.Node) -> None:
    name = str(key.value) if isinstance(key, yaml.ScalarNode) else "(a key that is not a name)"
    lower, line = name.lower(), key.start_mark.line + 1
    if lower not in Settings.model_fields:
        if isinstance(value, yaml.MappingNode):
            source.fault(f"line {line}: {name} is a group; settings are flat, for example DB_HOST: localhost")
        else:
            source.unknown(name)
    elif not isinstance(value, yaml.ScalarNode):
        source.fault(f"line {line}: {name.upper()} must be one value")
    elif lower in source.values:
        source.fault(f"line {line}: {name.upper()} is set a second time")
    else:
        source.take(lower, None if value.tag == "tag:yaml.org,2002:null" else value.value)


def _read(path: Path, source: Source, missing: str = "does not exist") -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        source.fault(missing)
    except OSError as error:
        source.fault(f"cannot be read: {error.strerror}")
    except UnicodeDecodeError:
        source.fault("is not UTF-8 text")
    return ""
