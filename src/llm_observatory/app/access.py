"""Who may come in, as the settings want it: TLS of the ports, tokens of the calls."""

from __future__ import annotations

from functools import partial

from llm_observatory.serving.certificate import Certificate
from llm_observatory.serving.tenant import single_tenant
from llm_observatory.serving.tokens import Authorization, Right, Tokens
from llm_observatory.settings import Settings


def certificate(settings: Settings) -> Certificate | None:
    """What the ports of OTLP and of queries show. Raises ConfigError where a file is faulty."""
    if settings.tls_cert_file is None or settings.tls_key_file is None:
        return None
    return Certificate(settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file)


def tenant_of(settings: Settings, right: Right) -> Authorization:
    """From a token to its tenant; without TOKENS_FILE everybody may do everything. Raises ConfigError likewise."""
    if settings.tokens_file is None:
        return single_tenant
    return partial(Tokens(settings.tokens_file).tenant, right=right)
