"""Instructions an item, counted by valgrind: the same on a busy machine as on a quiet one.

A process of its own encodes a request so many times, and another twice as many: the difference is the work without the start.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from itertools import islice

from llm_observatory.errors import ConfigError
from llm_observatory.operate.bench.codec import POOL, Options, encoder, implementations
from llm_observatory.operate.bench.data import DATA_SETS, requests
from llm_observatory.operate.bench.report import Measurement

ROUNDS = 2
"""Over the pool; a pass of the reference under valgrind takes seconds."""

_TOTAL = re.compile(r"refs:\s+([\d,]+)")


def measure(options: Options, say: Callable[[str], None]) -> list[Measurement]:
    """For every data set and size, of the codecs that are installed. ConfigError without valgrind."""
    if shutil.which("valgrind") is None:
        raise ConfigError(["--instructions needs valgrind (apt install valgrind)"])
    found = []
    for name in options.data_sets:
        for items in options.items:
            for implementation in implementations():
                say(f"counting instructions: {name}, {items} a request, {implementation}")
                once, twice = (_count(name, items, implementation, rounds, options.seed) for rounds in (ROUNDS, 2 * ROUNDS))
                each = (twice - once) / (ROUNDS * POOL * items)
                found.append(Measurement(f"{name} x{items} {implementation} instructions", each, "an item", "lower"))
    return found


def _count(data_set: str, items: int, implementation: str, rounds: int, seed: int) -> int:
    command = [
        "valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null",
        sys.executable, "-m", __name__, data_set, str(items), implementation, str(rounds), str(seed),
    ]  # fmt: skip
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    total = _TOTAL.search(ran.stderr)
    if ran.returncode or total is None:
        raise ConfigError([f"valgrind failed: {ran.stderr.strip().splitlines()[-1] if ran.stderr.strip() else ran.returncode}"])
    return int(total.group(1).replace(",", ""))


def _work(data_set: str, items: int, implementation: str, rounds: int, seed: int) -> None:
    wanted = DATA_SETS[data_set]
    encode = encoder(wanted.signal, implementations()[implementation])
    payloads = list(islice(requests(wanted, items, seed), POOL))
    for _ in range(rounds):
        for payload in payloads:
            encode(payload)


if __name__ == "__main__":
    _work(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]), int(sys.argv[5]))
