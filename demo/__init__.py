"""The demo: real LLM telemetry from stock instrumentation, exported to a running service, read back from its database.

Run it with `python -m demo`. The OpenAI API it calls is a fake on a loopback port (`provider`); everything else is what
an application would use: the `openai` client, two instrumentation packages, and the OpenTelemetry SDK and exporter.
"""

from __future__ import annotations


class DemoError(Exception):
    """The demo cannot go on. The message says what is wrong and what to do."""
