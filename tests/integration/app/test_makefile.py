"""`make setup` recovers from every state an interrupted one leaves behind; programs are stood in for, nothing is downloaded."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[3] / "Makefile"
PINNED = re.findall(r"^UV_VERSION := (\S+)$", MAKEFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)[0]

NODE_PACKAGES = ("tests/wasm", "tests/node")
LOCKS = [f"{folder}/{name}" for folder in NODE_PACKAGES for name in ("package.json", "package-lock.json")]
LOCKS += ["tests/python/pyproject.toml", "tests/python/uv.lock", "tests/debian/packages.txt"]
FETCHED = (".tools/.ready", "tests/python/.venv/.ready", *(f"{folder}/node_modules/.ready" for folder in NODE_PACKAGES))

UV = """#!/bin/sh
case "$1" in --version) echo "uv {version}" ;; *) echo "uv $*" >>"$CALLS" ;; esac
"""
# Of the arguments only those of MAKE_VENV matter; everything else is asked of a real interpreter.
INTERPRETER = """#!/bin/sh
case "$*" in
"-m venv .venv")
    echo venv >>"$CALLS"
    mkdir -p .venv/bin && cp "$STAND_INS/python" .venv/bin/python && touch .venv/has-pip ;;
"-m pip --version")
    test -e .venv/has-pip ;;
"-m pip install"*)
    echo "pip install" >>"$CALLS"
    test -e .venv/has-pip && cp "$STAND_INS/uv" .venv/bin/uv ;;
"-c "*)
    exec "$REAL_PYTHON" "$@" ;;
*)  exit 1 ;;
esac
"""


class Checkout:
    """A folder with our Makefile and stand-ins for Python, pip and uv."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "checkout"
        self.stand_ins = folder / "stand-ins"
        self.calls = folder / "calls"
        for path in (self.folder, self.stand_ins):
            path.mkdir()
        (self.folder / "Makefile").write_text(MAKEFILE.read_text(encoding="utf-8"), encoding="utf-8")
        # What is fetched for tests is there already: this is about Python.
        for name in ("pyproject.toml", "uv.lock", *LOCKS, *FETCHED):
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).touch()
        self.program(self.stand_ins / "python", INTERPRETER)
        self.program(self.stand_ins / "uv", UV.format(version=PINNED))

    def program(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(0o755)

    def set_up(self) -> list[str]:
        """What `make setup` called."""
        self.calls.write_text("", encoding="utf-8")
        # Nothing of what stands in for the installers can build the native codec.
        environment = {
            **os.environ,
            "REQUIRE_NATIVE_CODEC": "",
            "PATH": f"{self.stand_ins / 'tools'}:{os.environ['PATH']}",
            "CALLS": str(self.calls),
            "STAND_INS": str(self.stand_ins),
            "REAL_PYTHON": sys.executable,
        }
        command = ["make", "setup", f"PYTHON={self.stand_ins / 'python'}"]
        ran = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return self.calls.read_text(encoding="utf-8").splitlines()

    def venv(self, *, pip: bool, uv: str | None = None, python: str = INTERPRETER) -> None:
        """A `.venv` as an earlier setup left it."""
        self.program(self.folder / ".venv/bin/python", python)
        if pip:
            (self.folder / ".venv/has-pip").touch()
        if uv is not None:
            self.program(self.folder / ".venv/bin/uv", UV.format(version=uv))


ALL_ANEW = ["venv", "pip install", "uv sync --frozen"]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    return Checkout(tmp_path)


def test_the_first_setup_does_all_and_the_second_nothing(checkout: Checkout) -> None:
    assert checkout.set_up() == ALL_ANEW
    assert checkout.set_up() == []


def test_a_python_without_pip_is_made_anew(checkout: Checkout) -> None:
    checkout.venv(pip=False)
    assert checkout.set_up() == ALL_ANEW


def test_a_python_that_does_not_run_is_made_anew(checkout: Checkout) -> None:
    checkout.venv(pip=True, uv=PINNED, python="#!/bin/sh\nexit 127\n")
    assert checkout.set_up() == ALL_ANEW


def test_a_venv_without_uv_gets_it(checkout: Checkout) -> None:
    checkout.venv(pip=True)
    assert checkout.set_up() == ["pip install", "uv sync --frozen"]


def test_another_uv_is_replaced(checkout: Checkout) -> None:
    checkout.venv(pip=True, uv="0.0.1")
    assert checkout.set_up() == ["pip install", "uv sync --frozen"]


def test_with_the_pinned_uv_pip_is_not_needed(checkout: Checkout) -> None:
    checkout.venv(pip=False, uv=PINNED)
    assert checkout.set_up() == ["uv sync --frozen"]


def test_a_native_codec_that_is_lost_is_put_back(checkout: Checkout) -> None:
    """As after a bare `uv sync`, which takes out what the service does not depend on."""
    checkout.venv(pip=True, uv=PINNED)
    checkout.program(checkout.stand_ins / "tools/cargo", "#!/bin/sh\n")
    checkout.program(
        checkout.folder / ".venv/bin/maturin",
        '#!/bin/sh\necho maturin >>"$CALLS"\nmkdir -p native/target/wheels && touch native/target/wheels/codec.whl\n',
    )
    built, installed = "maturin", "uv pip install"
    assert [call[: len(installed)] for call in checkout.set_up()] == ["uv sync --froz", built, installed]
    package = checkout.folder / ".venv/lib/python3.11/site-packages/llm_observatory_codec"
    package.mkdir(parents=True)
    assert checkout.set_up() == []
    package.rmdir()
    assert [call[: len(installed)] for call in checkout.set_up()] == [built, installed]
