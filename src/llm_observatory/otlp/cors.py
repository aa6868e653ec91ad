"""Cross-origin requests of browsers, as the settings `OTLP_HTTP_CORS_*` allow them. Off without an allowed origin.

https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import timedelta

ALWAYS_ALLOWED = ("content-type", "content-encoding", "x-requested-with")
"""Request headers of every OTLP exporter in a browser, allowed whatever is set."""

_PREFLIGHT_VARY = (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers")

Headers = tuple[tuple[bytes, bytes], ...]


class Cors:
    """Which origins may send, and which headers. `*` stands for any text in a host, and alone for every origin or header."""

    def __init__(self, origins: Iterable[str], headers: Iterable[str], max_age: timedelta) -> None:
        patterns = (".*" if origin == "*" else re.escape(origin.lower()).replace(r"\*", "[^/]*") for origin in origins)
        self._origins = re.compile("|".join(patterns) or "(?!)")
        names = {header.lower() for header in headers}
        self._any_header = "*" in names
        self._headers = ", ".join(sorted({*ALWAYS_ALLOWED, *names} - {"*"})).encode()
        self._max_age = b"%d" % max_age.total_seconds()

    def allowed(self, request: Mapping[bytes, bytes]) -> Headers:
        """The headers of any answer to this request; none where its origin is not allowed or there is none.

        The origin itself, not `*`, and credentials: `navigator.sendBeacon`, by which browsers export when a page is left,
        always sends with them, and `*` is refused then.
        """
        origin = request.get(b"origin")
        if origin is None or not self._origins.fullmatch(origin.decode("latin-1").lower()):
            return ()
        return (
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"vary", b"Origin"),
        )

    def preflight(self, request: Mapping[bytes, bytes]) -> Headers | None:
        """The headers of the answer to a preflight request; None if it is none, or its origin is not allowed."""
        if b"access-control-request-method" not in request or not (allowed := self.allowed(request)):
            return None
        asked = request.get(b"access-control-request-headers", b"")
        return (
            *allowed[:2],
            _PREFLIGHT_VARY,
            (b"access-control-allow-methods", b"POST"),
            (b"access-control-allow-headers", asked if self._any_header and asked else self._headers),
            (b"access-control-max-age", self._max_age),
        )
