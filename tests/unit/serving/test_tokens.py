"""Bearer tokens: what a file may say, and whom they let in."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from llm_observatory.errors import ConfigError, PermissionDenied, Unauthenticated
from llm_observatory.serving.tokens import Tokens

SENDS = "a" * 16
ASKS = "b" * 16
BOTH = "c0ffee~c0ffee+c0ffee/c0ffee=="


@pytest.fixture
def tokens(tmp_path: Path) -> Tokens:
    file = tmp_path / "tokens"
    file.write_text(
        f"# who\n\nteam-a  ingest {SENDS}\n  team-a\tquery sha256:{sha256(ASKS.encode()).hexdigest()}\nteam.b all {BOTH}\n"
    )
    return Tokens(file)


def test_a_token_names_its_tenant(tokens: Tokens) -> None:
    assert tokens.tenant(f"Bearer {SENDS}", "ingest") == "team-a"
    assert tokens.tenant(f"bearer  {ASKS} ", "query") == "team-a"
    assert tokens.tenant(f"BEARER {BOTH}", "ingest") == tokens.tenant(f"Bearer {BOTH}", "query") == "team.b"


def test_it_allows_what_it_was_given_for(tokens: Tokens) -> None:
    with pytest.raises(PermissionDenied, match="does not allow query"):
        tokens.tenant(f"Bearer {SENDS}", "query")
    with pytest.raises(PermissionDenied, match="does not allow ingest"):
        tokens.tenant(f"Bearer {ASKS}", "ingest")


@pytest.mark.parametrize(
    "shown",
    [
        None,
        "",
        SENDS,
        f"Basic {SENDS}",
        "Bearer",
        "Bearer ",
        f"Bearer {SENDS}x",
        f"Bearer {SENDS.upper()}",
        "Bearer \udce4\ufffd",
    ],
)
def test_everybody_else_is_sent_away(tokens: Tokens, shown: str | None) -> None:
    with pytest.raises(Unauthenticated) as refused:
        tokens.tenant(shown, "ingest")
    assert SENDS not in str(refused.value)


def test_the_digest_in_the_file_is_no_token(tokens: Tokens) -> None:
    with pytest.raises(Unauthenticated):
        tokens.tenant(f"Bearer sha256:{sha256(ASKS.encode()).hexdigest()}", "query")


FAULTY = {
    "team-a ingest": "line 1: must be: tenant rights token",
    f"team-a ingest {SENDS} more": "line 1: must be: tenant rights token",
    f"team/a ingest {SENDS}": "line 1: a tenant has 1 to 64 of",
    f"{'a' * 65} ingest {SENDS}": "line 1: a tenant has 1 to 64 of",
    f"team-a write {SENDS}": "line 1: rights must be one of ingest, query, all",
    f"team-a all {SENDS[1:]}": "line 1: a token has at least 16 characters",
    f"team-a all {SENDS}\u00e4": "line 1: a token is made of",
    "team-a all sha256:00": "line 1: sha256: takes 64 hexadecimal digits",
    f"team-a all {SENDS}\nteam-b all {SENDS}": "line 2: the token stands in a line before",
    f"team-a all {SENDS}\nteam-b all sha256:{sha256(SENDS.encode()).hexdigest()}": "line 2: the token stands in a line before",
    "# nobody\n": "there is no token in it",
}


@pytest.mark.parametrize("text", FAULTY)
def test_a_faulty_line_is_named_and_not_quoted(tmp_path: Path, text: str) -> None:
    file = tmp_path / "tokens"
    file.write_text(text)
    with pytest.raises(ConfigError) as refused:
        Tokens(file)
    [fault] = refused.value.faults
    assert fault.startswith(f"TOKENS_FILE: {file}: {FAULTY[text]}")
    assert SENDS not in fault


def test_all_faults_at_once(tmp_path: Path) -> None:
    file = tmp_path / "tokens"
    file.write_text("one\ntwo\n")
    with pytest.raises(ConfigError) as refused:
        Tokens(file)
    assert len(refused.value.faults) == 2


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file or directory"):
        Tokens(tmp_path / "nowhere")
    (tmp_path / "latin").write_bytes(b"\xe4")
    with pytest.raises(ConfigError, match="not UTF-8"):
        Tokens(tmp_path / "latin")
