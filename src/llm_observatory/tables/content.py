"""`llm_content`: what was said, one row per item, apart from the records that carry it; and which attributes that is."""

from __future__ import annotations

from llm_observatory.tables.column import INDEXED_TEXT_MAX_BYTES, TENANT, Column, Table

LLM_CONTENT = Table(
    name="llm_content",
    kind="fact",
    one_row_per="prompt, completion, tool call, document: what was said, in spans and in log records",
    kept_for="content_retention",
    segments="telemetry_sources",
    order_by=("timestamp DESC",),
    sparse_indexes=(("bloom", "trace_id"), ("bloom", "log_id")),
    columns=(
        TENANT,
        Column(
            name="timestamp",
            type="timestamptz",
            op="content.time_us",
            role="time",
            description="that of the span or log record",
        ),
        Column(
            name="service_name",
            type="text",
            op="source.service_name",
            role="key",
            max_bytes=INDEXED_TEXT_MAX_BYTES,
            description="that of the span or log record",
        ),
        Column(
            name="trace_id",
            type="uuid",
            op="content.trace_id",
            nullable=True,
            role="id",
            description="that of the span or log record; NULL if this has none",
        ),
        Column(
            name="span_id",
            type="bytea",
            op="content.span_id",
            nullable=True,
            role="id",
            description="that of the span or log record; NULL if this has none",
        ),
        Column(
            name="log_id",
            type="uuid",
            op="content.log_id",
            nullable=True,
            role="id",
            description="`id` of the log record; NULL if a span carries it",
        ),
        Column(
            name="kind",
            type="text",
            op="content.kind",
            role="label",
            description="`system_instructions`, `input`, `output`, `tool_definitions`, `tool_arguments`, "
            "`tool_result` or `documents`",
        ),
        Column(
            name="carrier",
            type="text",
            op="content.carrier",
            role="label",
            description="where `attribute` stood: `span_attribute`, `span_event` or `log_attribute`; `log_body` for a body",
        ),
        Column(
            name="event_index",
            type="int8",
            op="content.event_index",
            nullable=True,
            description="place of the event in the span, from 0; NULL for other carriers",
        ),
        Column(
            name="attribute",
            type="text",
            op="content.attribute",
            role="label",
            description="its key; one that ends in `.#` or `.*` stands for a family; `''` for a body",
        ),
        Column(
            name="is_json",
            type="bool",
            op="content.is_json",
            description="whether `body` is the JSON of a value that was no string",
        ),
        Column(name="body", type="text", op="content.body", role="document", description="the string as it came, or the JSON"),
        Column(
            name="original_length", type="int8", op="content.original_length", description="bytes of `body` before it was cut"
        ),
    ),
)
"""`timestamp`, `trace_id` and `span_id` are those of the span or log record; a log record is named by `log_id` too, and may
have neither trace nor span. `carrier` says where `attribute` stood: `span_attribute`, `span_event` with the place of the
event, `log_attribute`, or `log_body`, which is the whole body of a message event and has no attribute (`''`). `body` is the
string as it came, or JSON (`is_json`) of any other value and of all attributes of a family; `original_length` is its length
in bytes before it was cut."""

SPAN_ATTRIBUTE, SPAN_EVENT, LOG_ATTRIBUTE, LOG_BODY = "span_attribute", "span_event", "log_attribute", "log_body"
"""The carriers."""

KINDS: dict[str, tuple[str, ...]] = {
    "system_instructions": (
        "gen_ai.system_instructions", "ai.prompt.system", "gen_ai.agent.instructions", "lk.instructions", "lk.pii.instructions",
    ),
    "input": (
        "gen_ai.input.messages", "gen_ai.prompt", "gen_ai.prompt.#", "gen_ai.prompt.variable.*",
        "gen_ai.retrieval.query.text", "gen_ai.memory.query.text", "gen_ai.content.prompt", "gen_ai.content.revised_prompt",
        "gen_ai.task.input", "gen_ai.workflow.input",
        "llm.input_messages", "llm.input_messages.#", "llm.prompts", "llm.prompts.#",
        "llm.prompt_template.template", "llm.prompt_template.variables",
        "input.value", "input.images.#", "input.documents.#", "embedding.text", "reranker.query",
        "traceloop.entity.input", "traceloop.prompt.template",
        "traceloop.prompt.template_variables", "traceloop.prompt.template_variables.*",
        "langfuse.observation.input", "langfuse.trace.input",
        "ai.prompt", "ai.prompt.messages", "ai.prompt.format", "ai.value", "ai.values",
        "mlflow.spanInputs", "mlflow.chat.messages", "all_messages_events", "pydantic_ai.all_messages",
        "genkit:input", "gcp.vertex.agent.llm_request", "gcp.vertex.agent.data",
        "lk.chat_ctx", "lk.user_input", "lk.user_transcript", "lk.input_text",
        "lk.pii.chat_ctx", "lk.pii.user_input", "lk.pii.user_transcript", "lk.pii.input_text",
    ),
    "output": (
        "gen_ai.output.messages", "gen_ai.completion", "gen_ai.completion.#", "gen_ai.response.tool_calls",
        "gen_ai.content.completion", "gen_ai.content.reasoning", "gen_ai.task.output", "gen_ai.workflow.output",
        "llm.output_messages", "llm.output_messages.#", "llm.choices", "llm.choices.#",
        "output.value", "output.images.#", "output.documents.#",
        "traceloop.entity.output",
        "langfuse.observation.output", "langfuse.trace.output",
        "ai.response.text", "ai.response.object", "ai.response.reasoning", "ai.response.toolCalls", "ai.response.files",
        "ai.result.text", "ai.result.object", "ai.result.toolCalls",
        "mlflow.spanOutputs",
        "genkit:output", "gcp.vertex.agent.llm_response",
        "lk.response.text", "lk.response.function_calls", "lk.pii.response.text", "lk.pii.response.function_calls",
    ),
    "tool_definitions": (
        "gen_ai.tool.definitions", "gen_ai.tool.definitions.#", "llm.tools", "llm.tools.#", "llm.request.functions.#",
        "ai.prompt.tools", "tool.json_schema", "tool.parameters", "mlflow.chat.tools",
    ),
    "tool_arguments": (
        "gen_ai.tool.call.arguments", "gen_ai.tool.args", "ai.toolCall.args", "llm.function_call",
        "mcp.tool.arguments", "gcp.vertex.agent.tool_call_args", "lk.function_tool.arguments", "lk.pii.function_tool.arguments",
    ),
    "tool_result": (
        "gen_ai.tool.call.result", "ai.toolCall.result",
        "mcp.tool.result", "gcp.vertex.agent.tool_response", "lk.function_tool.output", "lk.pii.function_tool.output",
    ),
    "documents": (
        "gen_ai.retrieval.documents", "gen_ai.memory.records", "retrieval.documents.#",
        "reranker.input_documents.#", "reranker.output_documents.#", "ai.documents",
        "embedding.embeddings.#", "ai.embedding", "ai.embeddings",
    ),
}  # fmt: skip
"""Which attributes of a span, of a span event or of a log record are content, by kind. A key that ends in `.#` stands for the
family of keys that continue with a digit (`llm.input_messages.0.message.role`), one in `.*` for all that continue: a family
is one item."""

MARK = "logfire.json_schema"
"""An attribute that only Logfire and Pydantic AI write, on every span that carries one of MARKED_KINDS."""

MARKED_KINDS: dict[str, tuple[str, ...]] = {
    "input": ("prompt", "events", "request_data"),
    "output": ("response_data", "final_result"),
    "tool_definitions": ("model_request_parameters",),
    "tool_arguments": ("tool_arguments",),
    "tool_result": ("tool_response",),
}
"""Attributes that are content only on a span with MARK: elsewhere their names may stand for anything."""

EVENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "gen_ai.system.message": ("system_instructions", ("content", "gen_ai.event.content")),
    "gen_ai.user.message": ("input", ("content", "gen_ai.event.content")),
    "gen_ai.assistant.message": ("input", ("content", "tool_calls", "gen_ai.event.content")),
    "gen_ai.tool.message": ("tool_result", ("content", "gen_ai.event.content")),
    "gen_ai.choice": ("output", ("message", "content", "tool_calls", "tool.result", "gen_ai.event.content")),
    "gen_ai.content.prompt": ("input", ("gen_ai.prompt", "gen_ai.event.content")),
    "gen_ai.content.completion": ("output", ("gen_ai.completion", "gen_ai.event.content")),
    "gen_ai.content.completion.chunk": ("output", ("gen_ai.completion.chunk", "gen_ai.event.content")),
    "db.query.embeddings": ("documents", ("db.query.embeddings.vector",)),
    "db.query.result": ("documents", ("db.query.result.document", "db.query.result.metadata", "db.query.result.vector")),
    "db.search.embeddings": ("documents", ("db.search.embeddings.vector",)),
    "db.search.result": ("documents", ("db.search.result.entity",)),
}
"""Events that are messages or documents themselves: their kind, and which of their attributes are content beside those of
KINDS. Of a log record of that name the whole body is content."""

EVENT_NAME_KEYS = ("event.name", "event_name")
"""Attributes of a log record that name its event where the field does not: OTLP had no field before 1.5, and LiteLLM writes
an attribute of that name."""
