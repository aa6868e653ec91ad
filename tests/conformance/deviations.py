"""Where our own receiver does not do what is required, and why. Nowhere else is a requirement let off.

Each is asserted as exactly what it is: a test whose deviation is declared fails when the requirement holds, and when something
else was seen.
"""

from __future__ import annotations

from typing import NamedTuple


class Deviation(NamedTuple):
    """`test` is its name with its parameters, `seen` what it says it saw."""

    test: str
    seen: tuple[str, ...]
    reason: str


_NO_ENCODING = (
    "grpcio 1.85.1 knows identity, deflate and gzip, and ends a stream with another grpc-encoding while it parses the"
    " headers: INTERNAL, without grpc-accept-encoding, which clients take for permanent. Nothing changes that: the channel"
    " arguments `grpc.compression_enabled_algorithms_bitset` (1, 7, 255), `grpc.per_message_compression`,"
    " `grpc.per_message_decompression` and `grpc.minimal_stack` were tried, and an interceptor and a handler that abort at"
    " once: both are entered, and their status comes too late. Only an encoding that grpcio knows and that the bitset"
    " switches off is UNIMPLEMENTED. A Collector that is set to zstd over gRPC loses its data here: gzip over gRPC, or"
    " zstd over HTTP."
)
_CORRUPT = (
    "grpcio inflates messages itself and answers INTERNAL to one that does not inflate. INTERNAL is not retried either,"
    " so nothing is lost that could be kept. (With `grpc.per_message_decompression` 0 the compressed bytes come to the"
    " handler, which would then have to inflate, and to bound, every message; the handler does not see whether the flag of"
    " a message was set.)"
)

DEVIATIONS: tuple[Deviation, ...] = (
    *(
        Deviation(
            f"test_grpc_bodies.py::test_an_encoding_nobody_knows[{encoding}]",
            ("unknown encoding: INTERNAL, grpc-accept-encoding: None",),
            _NO_ENCODING,
        )
        for encoding in ("br", "zstd2")
    ),
    *(
        Deviation(f"test_grpc_bodies.py::test_encodings_of_the_collector[{encoding}]", (f"{encoding}: INTERNAL",), _NO_ENCODING)
        for encoding in ("zstd", "snappy")
    ),
    *(
        Deviation(f"test_grpc_bodies.py::test_its_code_is_invalid_argument[{body}]", (f"{body}: INTERNAL",), _CORRUPT)
        for body in ("no gzip", "gzip cut off", "gzip with a wrong checksum")
    ),
)

BY_TEST = {deviation.test: deviation for deviation in DEVIATIONS}
