"""Calls of a model, several at a time where the sampler can run them.

A call is a coroutine function, written once for models that answer before `sample` returns and for servers
that are waited for in an event loop.
"""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from queue import SimpleQueue
from typing import Any, Concatenate, ParamSpec, TypeVar

from rise_bench.models.sampler import AsyncSampler, ConcurrentSampler, Sampler, Texts, may_think_first

Arguments = ParamSpec("Arguments")
Item = TypeVar("Item")
Result = TypeVar("Result")

#: Call of a model for one item.
Call = Callable[[AsyncSampler, Item], Coroutine[Any, Any, Result]]


async def beside_the_loop(
    function: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs
) -> Result:
    """Run a slow function in another thread if an event loop runs in this one, which others wait for."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return function(*arguments, **named)
    return await asyncio.to_thread(function, *arguments, **named)


def at_once(
    call: Callable[Concatenate[AsyncSampler, Arguments], Coroutine[Any, Any, Result]],
    sampler: Sampler,
    *arguments: Arguments.args,
    **named: Arguments.kwargs,
) -> Result:
    """Run a call that waits for nothing but a sampler, in this thread."""
    try:
        call(_Blocking(sampler), *arguments, **named).send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    raise TypeError("the call waits for something other than its sampler")


def in_parallel(
    call: Call[Item, Result], sampler: Sampler, items: Iterator[Item]
) -> Iterator[tuple[Item, Future[Result]]]:
    """Yield calls as they finish, at most `workers` of the sampler at a time.

    As many items more are taken ahead: a call need not wait while a finished one is dealt with.
    """
    if sampler.workers == 1:  # in this thread, where Ctrl-C interrupts the call
        for item in items:
            yield item, _called(call, sampler, item)
        return
    finished, running = SimpleQueue[Future[Result]](), dict[Future[Result], Item]()
    with _starting(call, sampler) as start:
        try:
            while True:
                for item in islice(items, 2 * sampler.workers - len(running)):
                    running[future := start(item)] = item
                    future.add_done_callback(finished.put)
                if not running:
                    return
                future = finished.get()
                yield running.pop(future), future
        finally:
            for future in running:
                future.cancel()


class _Blocking:
    """Asynchronous form of a sampler, which blocks."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self.may_think_first = may_think_first(sampler)

    async def sample(self, *arguments: Any) -> Texts:
        return self._sampler.sample(*arguments)


def _called(call: Call[Item, Result], sampler: Sampler, item: Item) -> Future[Result]:
    future = Future[Result]()
    try:
        future.set_result(at_once(call, sampler, item))
    except Exception as error:
        future.set_exception(error)
    return future


@contextmanager
def _starting(call: Call[Item, Result], sampler: Sampler) -> Iterator[Callable[[Item], Future[Result]]]:
    """Give a function that starts a call: by the sampler, or in threads if its `sample` only blocks."""
    if isinstance(sampler, ConcurrentSampler):
        starts = sampler
        yield lambda item: starts.start(lambda model: call(model, item))
        return
    pool = ThreadPoolExecutor(sampler.workers)
    try:
        yield lambda item: pool.submit(at_once, call, sampler, item)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
