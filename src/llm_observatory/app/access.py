"""Who may come in, as the settings want it: TLS of the ports, tokens of the calls."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Self

from llm_observatory.serving.certificate import Certificate
from llm_observatory.serving.tenant import single_tenant
from llm_observatory.serving.tokens import Authorization, Right, Tokens
from llm_observatory.settings import Settings


@dataclass(frozen=True, slots=True)
class Access:
    """One per process: all its ports look at the same files. None: no TLS, and everybody may do everything."""

    certificate: Certificate | None
    tokens: Tokens | None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """As the settings want it. Raises ConfigError where a file is faulty."""
        return cls(certificate(settings), tokens(settings))

    def tenant_of(self, right: Right) -> Authorization:
        """From a token to its tenant, if the token allows this."""
        return single_tenant if self.tokens is None else partial(self.tokens.tenant, right=right)


def certificate(settings: Settings) -> Certificate | None:
    """What the ports of OTLP and of queries show. Raises ConfigError where a file is faulty."""
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    return Certificate(settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file)


def tokens(settings: Settings) -> Tokens | None:
    """Who may send and ask. Raises ConfigError likewise."""
    return None if settings.tokens_file is None else Tokens(settings.tokens_file)
