"""The metrics of repositories: how long each method took and how many rows it gave."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sized
from contextlib import aclosing
from functools import wraps
from typing import ParamSpec, TypeVar

from llm_observatory import metrics, spans

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound=Sized)


def measured(repository: str) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
    """Wrap a method of the repository of that name, as `trace_repository`. What fails is measured too; it has no rows."""

    def wrap(method: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        duration = metrics.QUERY_DURATION.labels(repository, method.__name__)
        results = metrics.QUERY_RESULTS.labels(repository, method.__name__)

        @wraps(method)
        async def call(*arguments: P.args, **keywords: P.kwargs) -> R:
            began = time.perf_counter()
            try:
                with spans.span(f"{repository} {method.__name__}"):
                    found = await method(*arguments, **keywords)
            finally:
                duration.observe(time.perf_counter() - began)
            if isinstance(found, Sized):
                results.observe(len(found))
            return found

        return call

    return wrap


def measured_stream(
    repository: str,
) -> Callable[[Callable[P, AsyncGenerator[S, None]]], Callable[P, AsyncGenerator[S, None]]]:
    """As `measured`, for a method that gives its rows in batches: from the first to the last, or until nobody wants more."""

    def wrap(method: Callable[P, AsyncGenerator[S, None]]) -> Callable[P, AsyncGenerator[S, None]]:
        duration = metrics.QUERY_DURATION.labels(repository, method.__name__)
        results = metrics.QUERY_RESULTS.labels(repository, method.__name__)

        @wraps(method)
        async def call(*arguments: P.args, **keywords: P.kwargs) -> AsyncGenerator[S, None]:
            began, found = time.perf_counter(), 0
            try:
                async with aclosing(method(*arguments, **keywords)) as batches:
                    async for batch in batches:
                        found += len(batch)
                        yield batch
            finally:
                duration.observe(time.perf_counter() - began)
            results.observe(found)

        return call

    return wrap
