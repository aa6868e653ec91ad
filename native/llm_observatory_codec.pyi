"""What the compiled module has; a test holds this file against it."""

from typing import final

__version__: str
SPEC_VERSION: int

class Refused(ValueError):
    """A spec that cannot be run; `args` are the faults."""

class Malformed(ValueError):
    """The outer framing of a request is broken."""

@final
class Codec:
    """The codec compiled from one spec."""

    def __new__(cls, spec: str) -> Codec: ...
    def encode(
        self,
        signal: str,
        tenant: str,
        payload: bytes,
        digest: bytes,
        now: int,
        max_age_us: int | None,
        max_ahead_us: int,
        content_max_bytes: int,
    ) -> tuple[
        tuple[tuple[str, int, tuple[bytes, ...]], ...],
        int,
        dict[str, dict[bytes, bytes]],
        tuple[tuple[str, str], ...],
        dict[str, int],
        dict[str, int],
        dict[str, int],
        int | None,
        int | None,
        tuple[int, ...],
        bool,
    ]: ...

def count_items(signal: str, payload: bytes, limit: int) -> int: ...
def is_light(signal: str, payload: bytes, max_fields: int) -> bool: ...
