"""Proxies of the environment, as other programs use them."""

import pytest

from rise_bench.models.endpoint_failure import EndpointError
from rise_bench.models.openai_endpoint import Endpoints
from rise_bench.models.sampler import Prompt

from ..support.raw_server import chat, http, raw_server

OK = http(chat("fine"))


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


def ask(url):
    endpoints = Endpoints([url], "m", tries=1)
    try:
        return endpoints.sample([Prompt((), "x")], 1, 9)
    finally:
        endpoints.close()


@pytest.mark.parametrize("name", ["http_proxy", "ALL_PROXY"])
def test_a_proxy_gets_the_request(monkeypatch, name):
    with raw_server(OK) as (proxy, requests):
        monkeypatch.setenv(name, proxy.removesuffix("/v1"))
        assert ask("http://model.invalid/v1") == [["fine"]]
    assert requests[0][0].startswith(b"POST http://model.invalid/v1/chat/completions ")


def test_hosts_without_a_proxy_are_asked_themselves(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "localhost,127.0.0.1")
    with raw_server(OK) as (url, requests):
        assert ask(url) == [["fine"]]
    assert requests[0][0].startswith(b"POST /v1/chat/completions ")


def test_a_proxy_of_another_kind_is_refused(monkeypatch):
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:9")
    with pytest.raises(
        EndpointError, match=r"kind 'socks5', expected http or https. Check the proxy variables"
    ):
        Endpoints(["http://model.invalid/v1"], "m")
