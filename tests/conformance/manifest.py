"""What is asked of an OTLP receiver: every requirement that this suite measures, by id and level.

MUST and SHOULD are words of the specification named as the source. RECOMMENDED is what the specification leaves open, or says
in weaker words: a receiver that does otherwise breaks no rule. G is OTLP/gRPC, H is OTLP/HTTP.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

Level = Literal["MUST", "SHOULD", "RECOMMENDED"]
LEVELS: tuple[Level, ...] = ("MUST", "SHOULD", "RECOMMENDED")

OTLP = "OTLP 1.11"
OURS = "this project"


class Requirement(NamedTuple):
    """One sentence of one level. There is at most one of a level under an id."""

    id: str
    level: Level
    sentence: str
    source: str

    @property
    def transport(self) -> str:
        """`gRPC` or `HTTP`."""
        return "gRPC" if self.id.startswith("G") else "HTTP"

    @property
    def key(self) -> tuple[str, Level]:
        """What tests name: `@pytest.mark.requirement("G4", "MUST")`."""
        return (self.id, self.level)


REQUIREMENTS: tuple[Requirement, ...] = (
    Requirement(
        "G1",
        "MUST",
        "The Export method of the trace, metrics and logs service answers under its full name; what is not served,"
        " profiles included, is UNIMPLEMENTED and costs the connection nothing.",
        f"{OTLP}, OTLP/gRPC; gRPC status codes",
    ),
    Requirement("G2", "SHOULD", "Without configuration it listens on port 4317.", f"{OTLP}, OTLP/gRPC Default Port"),
    Requirement("G3", "MUST", "It takes messages without compression and with gzip.", f"{OTLP}, Protocol Details"),
    Requirement(
        "G3",
        "SHOULD",
        "An encoding it does not know is UNIMPLEMENTED and grpc-accept-encoding lists what it knows; a compressed message"
        " without an encoding is INTERNAL.",
        "gRPC compression",
    ),
    Requirement("G3", "RECOMMENDED", "It takes zstd and snappy, as the Collector does.", "Collector, configgrpc"),
    Requirement(
        "G4",
        "MUST",
        "A message over the limit, also after decompression, is RESOURCE_EXHAUSTED without RetryInfo; one at the limit is"
        " taken.",
        f"{OTLP}, OTLP/gRPC Request",
    ),
    Requirement(
        "G4",
        "RECOMMENDED",
        "The limit is 64 MiB by default, and a bomb costs no memory beyond it.",
        f"{OTLP}; {OURS}",
    ),
    Requirement(
        "G5",
        "MUST",
        "However much is wrong in a request, the response stays below 4 MiB.",
        f"{OTLP}, OTLP/gRPC Response",
    ),
    Requirement("G6", "MUST", "Full success leaves partial_success unset.", f"{OTLP}, Full Success"),
    Requirement("G7", "SHOULD", "A request that carries no telemetry succeeds.", f"{OTLP}, Full Success"),
    Requirement("G7", "RECOMMENDED", "It succeeds while the database is down too.", OURS),
    Requirement(
        "G8",
        "MUST",
        "What is accepted in part is OK, with the number of rejected spans, data points or log records.",
        f"{OTLP}, Partial Success",
    ),
    Requirement("G8", "SHOULD", "The error message says why in English.", f"{OTLP}, Partial Success"),
    Requirement("G8", "RECOMMENDED", "One bad record does not harm its neighbours: they are stored.", OURS),
    Requirement("G9", "MUST", "What cannot be decoded is refused with a code that clients do not retry.", f"{OTLP}, Failures"),
    Requirement("G9", "RECOMMENDED", "The code is INVALID_ARGUMENT.", f"{OTLP}, Failures"),
    Requirement(
        "G10",
        "MUST",
        "Trouble that passes, such as a database that is away, busy, locked or full, has a code that clients retry.",
        f"{OTLP}, Failures",
    ),
    Requirement(
        "G11",
        "MUST",
        "Codes that make clients drop their data stand only for what is wrong with the request itself.",
        f"{OTLP}, Failures",
    ),
    Requirement("G11", "RECOMMENDED", "No input is answered with UNKNOWN, and none ends the process.", OURS),
    Requirement(
        "G12",
        "SHOULD",
        "Overload is UNAVAILABLE, never a code that makes clients drop.",
        f"{OTLP}, OTLP/gRPC Throttling",
    ),
    Requirement(
        "G12",
        "RECOMMENDED",
        "It comes with RetryInfo of at most 5 s in both places where clients look, as Trailers-Only.",
        f"{OTLP}, OTLP/gRPC Throttling (MAY); exporters of Python and Java",
    ),
    Requirement("G13", "RECOMMENDED", "Messages name no tables, hosts, paths or tracebacks.", OURS),
    Requirement(
        "G14",
        "MUST",
        "Fields it does not know, at any level, are ignored; so is OTLP from before 1.0.",
        "proto3; OTLP 1.0 stability",
    ),
    Requirement("G15", "MUST", "Enum numbers it does not know are taken.", "proto3, open enums"),
    Requirement("G15", "RECOMMENDED", "They are stored as the number they are.", OURS),
    Requirement(
        "G16",
        "SHOULD",
        "200 calls at once on one connection are all answered.",
        f"{OTLP}, OTLP/gRPC Concurrent Requests",
    ),
    Requirement("G16", "RECOMMENDED", "Each of them is stored once.", OURS),
    Requirement("G17", "RECOMMENDED", "A request retried after its deadline passed is stored once.", OURS),
    Requirement(
        "G18",
        "SHOULD",
        "Where credentials are asked for, their lack is UNAUTHENTICATED or PERMISSION_DENIED, before the body is read.",
        "gRPC status codes",
    ),
    Requirement("G19", "RECOMMENDED", "A client that pings every 10 s keeps its connection.", "gRPC keepalive, A8"),
    Requirement("G19", "SHOULD", "A flood of pings disturbs nobody else.", "gRPC keepalive, A8"),
    Requirement(
        "G20",
        "RECOMMENDED",
        "At SIGTERM what was acknowledged is stored, calls inside are answered OK or in a code that clients retry, and it"
        " exits with 0.",
        OURS,
    ),
    Requirement("G21", "RECOMMENDED", "A port in use or a wrong setting ends the start with an exit code and words.", OURS),
    Requirement("G22", "RECOMMENDED", "grpc.health.v1.Health answers for the server and each service.", "gRPC health checking"),
    Requirement("G23", "RECOMMENDED", "Server reflection is off by default.", OURS),
    Requirement("H1", "MUST", "POST to /v1/traces, /v1/metrics and /v1/logs is served.", f"{OTLP}, OTLP/HTTP Request"),
    Requirement("H1", "SHOULD", "Without configuration it listens on port 4318.", f"{OTLP}, OTLP/HTTP Default Port"),
    Requirement(
        "H1",
        "RECOMMENDED",
        "Any other path is 404, so that a wrong base URL shows; another method is 405 with Allow: POST.",
        f"RFC 9110; {OURS}",
    ),
    Requirement(
        "H2",
        "MUST",
        "application/x-protobuf and application/json are told apart by the header, on one port.",
        f"{OTLP}, OTLP/HTTP Connection",
    ),
    Requirement(
        "H2",
        "SHOULD",
        "Parameters and letter case of the content type make no difference; another or no content type is 415.",
        "RFC 9110, 8.3.1 and 15.5.16",
    ),
    Requirement("H2", "RECOMMENDED", "application/protobuf is taken as well.", OURS),
    Requirement("H3", "MUST", "A response has the content type of its request, errors too.", f"{OTLP}, OTLP/HTTP Response"),
    Requirement("H4", "MUST", "The body of each 4xx and 5xx is a google.rpc.Status.", f"{OTLP}, Failures"),
    Requirement(
        "H4",
        "SHOULD",
        "The Status has a message; that of a 400 has a BadRequest in its details.",
        f"{OTLP}, Failures, Bad Data",
    ),
    Requirement(
        "H5",
        "MUST",
        "Success is 200 with the Export response, partial_success unset; what is accepted in part is 200 with the number"
        " rejected.",
        f"{OTLP}, Full Success, Partial Success",
    ),
    Requirement(
        "H6",
        "MUST",
        "A body over the limit, also after decompression, is 413; one at the limit is taken.",
        f"{OTLP}, OTLP/HTTP Request",
    ),
    Requirement(
        "H6",
        "RECOMMENDED",
        "The limit is 64 MiB by default, and a bomb costs no memory beyond it.",
        f"{OTLP}; {OURS}",
    ),
    Requirement(
        "H7",
        "MUST",
        "Trouble that passes is 429, 502, 503 or 504, and nothing that is wrong with a request is one of these.",
        f"{OTLP}, Retryable Response Codes",
    ),
    Requirement(
        "H7",
        "RECOMMENDED",
        "It comes with Retry-After of 1 to 5 whole seconds.",
        f"{OTLP}, OTLP/HTTP Throttling (MAY); RFC 9110, 10.2.3",
    ),
    Requirement("H8", "MUST", "It takes bodies without compression and with gzip.", f"{OTLP}, Protocol Details"),
    Requirement("H8", "SHOULD", "A body that does not inflate is 400.", f"{OTLP}, Bad Data"),
    Requirement(
        "H8",
        "RECOMMENDED",
        "It takes deflate, with and without the zlib header, and zstd; another encoding is 415 with Accept-Encoding.",
        f"RFC 9110, 12.5.3 and 15.5.16; Collector, confighttp; {OURS}",
    ),
    Requirement("H9", "MUST", "A response is compressed only if the request accepts that.", f"{OTLP}, OTLP/HTTP Response"),
    Requirement(
        "H10",
        "MUST",
        "Ids in JSON are hex in any letter case, in every message that has one.",
        f"{OTLP}, JSON Protobuf Encoding",
    ),
    Requirement("H10", "RECOMMENDED", "An id that is no hex, such as base64, is never stored as something else.", OURS),
    Requirement("H11", "MUST", "Enums in JSON are taken as integers.", f"{OTLP}, JSON Protobuf Encoding"),
    Requirement("H11", "RECOMMENDED", "Their names are taken too, because people send them.", "Collector"),
    Requirement("H12", "MUST", "Keys in JSON are lowerCamelCase.", f"{OTLP}, JSON Protobuf Encoding"),
    Requirement("H12", "RECOMMENDED", "The original field names do no harm.", "Collector"),
    Requirement(
        "H13",
        "MUST",
        "Unknown keys in JSON, at any level and with any value, are ignored.",
        f"{OTLP}, JSON Protobuf Encoding",
    ),
    Requirement(
        "H14",
        "MUST",
        "64-bit integers in JSON are numbers or strings, bytes are base64, NaN and the infinities are strings.",
        f"{OTLP}, JSON Protobuf Encoding; proto3 JSON",
    ),
    Requirement("H14", "RECOMMENDED", "Integers beyond 2^53 are stored exactly.", OURS),
    Requirement(
        "H15",
        "MUST",
        "JSON that is broken or no object is 400; an empty object is an empty request.",
        f"{OTLP}, Bad Data",
    ),
    Requirement("H15", "RECOMMENDED", "The same holds for an array and for null, which many parsers take.", OURS),
    Requirement(
        "H16",
        "RECOMMENDED",
        "CORS is off by default; for an origin that is allowed, preflight and response name it, never `*`.",
        f"Fetch standard; {OURS}",
    ),
    Requirement(
        "H17",
        "MUST",
        "Connections are kept: many requests, also pipelined ones, one after the other.",
        "RFC 9112, 9.3",
    ),
    Requirement(
        "H17",
        "SHOULD",
        "Request bodies may be chunked; Expect: 100-continue is answered.",
        "RFC 9112, 7.1; RFC 9110, 10.1.1",
    ),
    Requirement("H18", "SHOULD", "Where credentials are asked for, their lack is 401 or 403.", "RFC 9110, 15.5.2"),
    Requirement(
        "H19",
        "RECOMMENDED",
        "Headers, bodies and idle connections have a time limit, headers a size limit; who waits is in nobody's way for long.",
        OURS,
    ),
)

BY_KEY = {requirement.key: requirement for requirement in REQUIREMENTS}
