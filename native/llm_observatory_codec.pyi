# What the compiled module has; tests/contract/codec/test_native.py holds this file against it.

from typing import final

__all__ = ["SPEC_VERSION", "Codec", "Malformed", "Refused", "__version__", "count_items", "is_light"]

__version__: str
SPEC_VERSION: int

# A spec that cannot be run; `args` are the faults.
class Refused(ValueError): ...

# The outer framing of a request is broken.
class Malformed(ValueError): ...

# The codec compiled from one spec.
@final
class Codec:
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
