"""The metrics of repositories: how long each method took and how many rows it gave."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sized
from functools import wraps
from typing import ParamSpec, TypeVar

from llm_observatory import metrics

P = ParamSpec("P")
R = TypeVar("R")


def measured(repository: str) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
    """Wrap a method of the repository of that name, as `trace_repository`. What fails is measured too; it has no rows."""

    def wrap(method: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        duration = metrics.QUERY_DURATION.labels(repository, method.__name__)
        results = metrics.QUERY_RESULTS.labels(repository, method.__name__)

        @wraps(method)
        async def call(*arguments: P.args, **keywords: P.kwargs) -> R:
            began = time.perf_counter()
            try:
                found = await method(*arguments, **keywords)
            finally:
                duration.observe(time.perf_counter() - began)
            if isinstance(found, Sized):
                results.observe(len(found))
            return found

        return call

    return wrap
