"""TraceQueryService: requests checked, answers made."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from datetime import timedelta
from typing import Any

from llm_observatory.api.v1 import trace_query_service_pb2, trace_query_service_pb2_grpc
from llm_observatory.api.v1.selection_pb2 import AttributeScope
from llm_observatory.api.v1.trace_query_service_pb2 import (
    AttributeKey,
    AttributeValueCount,
    GetServiceGraphRequest,
    GetServiceGraphResponse,
    GetTraceMetricsRequest,
    GetTraceMetricsResponse,
    GetTraceRequest,
    GetTraceResponse,
    ListAttributeKeysRequest,
    ListAttributeKeysResponse,
    ListAttributeValuesRequest,
    ListAttributeValuesResponse,
    ListOperationsRequest,
    ListOperationsResponse,
    ListServicesRequest,
    ListServicesResponse,
    SearchTracesRequest,
    SearchTracesResponse,
    ServiceGraphEdge,
)
from llm_observatory.errors import InvalidQuery, NotFound
from llm_observatory.query import checks, page
from llm_observatory.query.server import Service
from llm_observatory.query.time_range import resolve
from llm_observatory.query.traces import attributes, found, numbers, order, page_of, selection
from llm_observatory.query.traces.repository import TraceRepository
from llm_observatory.query.traces.search import Search
from llm_observatory.query.values import Values
from llm_observatory.serving.tenant import ASKING_TENANT
from llm_observatory.storage.read import Reader

NAME = trace_query_service_pb2.DESCRIPTOR.services_by_name["TraceQueryService"].full_name
LONGEST_RANGE = timedelta(days=90)
LONGEST_GRAPH = timedelta(days=1)
DEFAULT_PAGE, LARGEST_PAGE = 20, 1000
DEFAULT_LIST, LONGEST_LIST = 100, 1000


class TraceQueryService:
    """See `proto/llm_observatory/api/v1/trace_query_service.proto`. `clock` gives nanoseconds since the Unix epoch."""

    def __init__(self, repository: TraceRepository, clock: Callable[[], int] = time.time_ns) -> None:
        self._repository = repository
        self._clock = clock

    async def GetTrace(self, request: GetTraceRequest, _context: Any) -> AsyncIterator[GetTraceResponse]:  # noqa: N802 - the protocol's
        """The spans in the order of their start."""
        trace_id = checks.required_identifier("trace_id", request.trace_id, checks.TRACE_ID_BYTES)
        # The last message is sent when the connection is given back: of most traces it is the only one.
        last: GetTraceResponse | None = None
        async with aclosing(self._repository.trace(ASKING_TENANT.get(), trace_id, content=not request.omit_content)) as batches:
            async for batch in batches:
                for message in await found.messages(batch):
                    if last is not None:
                        yield last
                    last = message
        if last is None:
            raise NotFound("there is no trace of this id, or its spans are older than RETENTION")
        yield last

    async def SearchTraces(self, request: SearchTracesRequest, _context: Any) -> SearchTracesResponse:  # noqa: N802 - see above
        """Spans that fulfil every condition; a page of whole spans ends early where they are large."""
        within = resolve(request.time_range, self._clock(), LONGEST_RANGE)
        values = Values()
        conditions = selection.conditions(request, values)
        by = order.order_of(request.order)
        size = checks.size("page_size", request.page_size, default=DEFAULT_PAGE, largest=LARGEST_PAGE)
        after = order.from_page(page.key(request, order.KEY_PARTS), by)
        parts = await self._repository.parts(ASKING_TENANT.get(), within, selection.known_to_filters(request))
        in_rollups = len(conditions) == len(selection.of_any(request, Values()))
        search = Search(ASKING_TENANT.get(), parts, conditions, values, by, in_rollups)
        keys = await self._repository.search(search, after, size + 1)
        answer = SearchTracesResponse()
        last = await page_of.fill(answer, self._repository, search, keys[:size], whole=request.include_spans)
        if last is not None and last != keys[-1]:
            answer.next_page_token = page.token(request, order.to_page(last))
        return answer

    async def ListServices(self, request: ListServicesRequest, _context: Any) -> ListServicesResponse:  # noqa: N802 - see above
        """By name."""
        within = resolve(request.time_range, self._clock(), LONGEST_RANGE)
        return await numbers.services(self._repository, ASKING_TENANT.get(), within)

    async def ListOperations(self, request: ListOperationsRequest, _context: Any) -> ListOperationsResponse:  # noqa: N802 - see above
        """The most frequent first."""
        within = resolve(request.time_range, self._clock(), LONGEST_RANGE)
        service_name = checks.text("service_name", request.service_name)
        return await numbers.operations(self._repository, ASKING_TENANT.get(), within, service_name)

    async def GetTraceMetrics(self, request: GetTraceMetricsRequest, _context: Any) -> GetTraceMetricsResponse:  # noqa: N802 - see above
        """From the rollups as far as they know, from the rows else."""
        return await numbers.metrics(self._repository, ASKING_TENANT.get(), request, self._clock())

    async def ListAttributeKeys(self, request: ListAttributeKeysRequest, _context: Any) -> ListAttributeKeysResponse:  # noqa: N802 - see above
        """Of the newest spans, the most frequent first."""
        rows = await self._repository.attribute_keys(ASKING_TENANT.get(), self._asked(request))
        keys = [AttributeKey(key=key, scope=scope, span_count=spans) for _, key, scope, spans in rows if key is not None]  # type: ignore[arg-type]  # 1 and 2
        return ListAttributeKeysResponse(keys=keys, sampled_spans=rows[0][0])

    async def ListAttributeValues(self, request: ListAttributeValuesRequest, _context: Any) -> ListAttributeValuesResponse:  # noqa: N802 - see above
        """Of the newest spans, the most frequent first."""
        key = checks.text("key", request.key, required=True)
        if request.scope not in AttributeScope.values():
            raise InvalidQuery("scope", f"is {request.scope}, which is none of AttributeScope")
        rows = await self._repository.attribute_values(ASKING_TENANT.get(), key, request.scope, self._asked(request))
        counts = [
            AttributeValueCount(value=value, span_count=spans)
            for _, document, spans in rows
            if document is not None and (value := attributes.value_of(document)) is not None
        ]
        return ListAttributeValuesResponse(values=counts, sampled_spans=rows[0][0])

    async def GetServiceGraph(self, request: GetServiceGraphRequest, _context: Any) -> GetServiceGraphResponse:  # noqa: N802 - see above
        """The most frequent calls first."""
        within = resolve(request.time_range, self._clock(), LONGEST_GRAPH)
        service_name = checks.text("service_name", request.service_name)
        answer = GetServiceGraphResponse()
        for sampled, client, server, calls, errors, quantiles in await self._repository.service_graph(
            ASKING_TENANT.get(), within, service_name
        ):
            answer.sampled_spans = sampled
            if client is not None:
                edge = ServiceGraphEdge(
                    client_service_name=client, server_service_name=server, call_count=calls, error_count=errors
                )
                if quantiles is not None:
                    edge.duration_ms_p50, edge.duration_ms_p95, edge.duration_ms_p99 = quantiles
                answer.edges.append(edge)
        return answer

    def _asked(self, request: ListAttributeKeysRequest | ListAttributeValuesRequest) -> attributes.Asked:
        return attributes.Asked(
            resolve(request.time_range, self._clock(), LONGEST_RANGE),
            checks.text("service_name", request.service_name),
            checks.text("prefix", request.prefix),
            checks.size("limit", request.limit, default=DEFAULT_LIST, largest=LONGEST_LIST),
        )


def service(reader: Reader) -> Service:
    """The service on a reader."""
    return Service(
        NAME,
        trace_query_service_pb2_grpc.add_TraceQueryServiceServicer_to_server,
        TraceQueryService(TraceRepository(reader)),
    )
