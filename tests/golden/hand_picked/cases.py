"""The cases that somebody thought of: one for each feature and each rule that a small request can break."""

from __future__ import annotations

from tests.golden.case import Case
from tests.golden.hand_picked.logs import LOGS
from tests.golden.hand_picked.metrics import METRICS
from tests.golden.hand_picked.traces import TRACES
from tests.unit.codec.spans import TERMS

TERMS_OF = {
    "content_off": TERMS._replace(content_max_bytes=0),
    "content_cut": TERMS._replace(content_max_bytes=5),
    "no_age_limit": TERMS._replace(max_age_us=None),
}


def _case(signal: str, name: str, about: str, payload: bytes) -> Case:
    file = "".join(letter if letter.isalnum() else "_" for letter in name.lower())
    tenant = "another" if name == "tenant" else "default"
    return Case(signal, file, about or f"The rule {name}.", payload, TERMS_OF.get(name, TERMS), tenant=tenant)


CASES = [
    _case(signal, name, about, payload)
    for signal, given in {"traces": TRACES, "metrics": METRICS, "logs": LOGS}.items()
    for name, (about, payload) in given.items()
]
