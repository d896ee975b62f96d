"""Calls of a model: several at a time where the sampler can, and the same results as one after the other."""

import asyncio
import io
import threading
import time

import pytest
from PIL import Image

from rise_bench.files.images import ImageBytes
from rise_bench.models import data_urls
from rise_bench.models.calls import at_once, in_parallel
from rise_bench.models.openai_endpoint import Endpoints
from rise_bench.models.sampler import Prompt, SampleError

from ..support.openai_server import OpenAIServer, serve
from ..support.scripted_model import ScriptedModel

PROMPTS = [Prompt((), f"question {number}") for number in range(12)]


async def ask_twice(sampler, prompt):
    """A call that asks, and asks about the answer."""
    ((first,),) = await sampler.sample([prompt], 1, 9)
    ((second,),) = await sampler.sample([Prompt((), first)], 1, 9)
    return second


def results(sampler, prompts=PROMPTS):
    return {prompt.text: future.result() for prompt, future in in_parallel(ask_twice, sampler, iter(prompts))}


@pytest.fixture
def busy():
    """A server that says how many requests it had at the same time."""
    state = {"now": 0, "most": 0}
    lock = threading.Lock()

    def answer(key, prompt):
        with lock:
            state["now"] += 1
            state["most"] = max(state["most"], state["now"])
        time.sleep(0.05)
        with lock:
            state["now"] -= 1
        return f"<{prompt}>"

    with serve(OpenAIServer(answer)) as server:
        yield server, state


@pytest.mark.parametrize("workers", [1, 3])
def test_a_blocking_sampler_gives_the_same_alone_and_in_threads(workers):
    model = ScriptedModel(lambda prompt, number: f"<{prompt.text}>", workers=workers)
    assert results(model) == {prompt.text: f"<<{prompt.text}>>" for prompt in PROMPTS}


def test_an_endpoint_has_as_many_requests_as_it_may_and_no_more(busy):
    server, state = busy
    endpoints = Endpoints([server.url], "m", concurrency=3)
    try:
        assert results(endpoints) == {prompt.text: f"<<{prompt.text}>>" for prompt in PROMPTS}
    finally:
        endpoints.close()
    assert state["most"] == 3 and server.answered == 2 * len(PROMPTS)


def test_items_are_taken_no_further_ahead_than_there_are_workers(busy):
    taken = []

    def items():
        for prompt in PROMPTS:
            taken.append(prompt)
            yield prompt

    endpoints = Endpoints([busy[0].url], "m", concurrency=2)
    calls = in_parallel(ask_twice, endpoints, items())
    try:
        for number in range(1, 5):
            next(calls)
            assert len(taken) <= 4 + number
        calls.close()
    finally:
        endpoints.close()
    assert len(taken) < len(PROMPTS)


def test_a_refusal_is_that_of_one_item():
    def answer(key, prompt):
        if "3" in prompt:
            raise ValueError
        return prompt

    with serve(OpenAIServer(answer)) as server:
        endpoints = Endpoints([server.url], "m", concurrency=4)
        refused = [
            prompt.text
            for prompt, future in in_parallel(ask_twice, endpoints, iter(PROMPTS))
            if isinstance(future.exception(), SampleError)
        ]
        endpoints.close()
    assert refused == ["question 3"]


def test_a_call_that_waits_for_something_else_is_an_error():
    async def sleep(sampler):
        await asyncio.sleep(0)

    with pytest.raises(TypeError, match="something other than its sampler"):
        at_once(sleep, ScriptedModel(lambda *_: ""))


@pytest.mark.parametrize("form", ["PNG", "BMP"])
def test_a_picture_is_encoded_once_for_all_requests_about_it(busy, monkeypatch, form):
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(buffer, form)
    image, opened = ImageBytes(buffer.getvalue()), []
    look = data_urls._plain_url
    monkeypatch.setattr(data_urls, "_plain_url", lambda data: opened.append(data) or look(data))
    endpoints = Endpoints([busy[0].url], "m")
    for text in ("one", "two"):
        assert endpoints.sample([Prompt((image,), text)] * 2, 1, 9) == [[f"<{text}>"]] * 2
    endpoints.close()
    once = len(opened)
    assert once == (1 if form == "PNG" else 2) and image.data_url == data_urls.data_url(bytes(image))
