"""Connections to endpoints: kept ones that the server has closed, certificates, the loop and its end."""

import asyncio
import json
import os
import resource
import shutil
import ssl
import subprocess
import threading
import time
from pathlib import Path

import pytest

from rise_bench.models.endpoint_failure import EndpointError
from rise_bench.models.openai_endpoint import Endpoints, served_model
from rise_bench.models.sampler import Prompt

from ..support.raw_server import chat, http, raw_server

OK = http(chat("fine"))
PROMPT = Prompt((), "why?")


def kept(text):
    """A reply after which the connection stays open."""
    data = json.dumps(chat(text)).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data


def ask(url, times=1, between=lambda: None, **options):
    endpoints = Endpoints([url], "m", **{"timeout_s": 5.0} | options)
    texts = []
    try:
        for _ in range(times):
            texts += endpoints.sample([PROMPT], 1, 9)[0]
            between()
    finally:
        endpoints.close()
    return texts


def test_a_kept_connection_that_the_server_closes_costs_no_try_and_no_pause():
    def close_at_the_next_request(connection):
        connection.sendall(kept("fine"))
        connection.recv(1)

    start = time.monotonic()
    with raw_server(close_at_the_next_request) as (url, requests):
        assert ask(url, times=20, tries=1) == ["fine"] * 20
    assert len(requests) == 20 and time.monotonic() - start < 5


def test_a_reply_that_was_not_asked_for_is_given_to_nobody():
    late = threading.Event()

    def twice(connection):
        connection.sendall(kept("right"))
        time.sleep(0.02)
        connection.sendall(kept("WRONG"))
        late.set()
        connection.recv(1)

    with raw_server(twice) as (url, _):
        assert ask(url, times=3, between=lambda: late.wait(2) and time.sleep(0.1), tries=1) == ["right"] * 3


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl makes the certificate")
def test_a_certificate_that_nobody_vouches_for_is_named_at_once(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    subprocess.run([*make.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with raw_server(OK, tls=context) as (url, requests):
        for asked in (lambda: ask(url, pause_s=60), lambda: served_model(url)):
            start = time.monotonic()
            with pytest.raises(EndpointError, match="self-signed certificate"):
                asked()
            assert time.monotonic() - start < 30, "no second try"
    assert not requests


@pytest.mark.parametrize("host", ["a..b", "a" * 70])
def test_a_host_that_cannot_be_is_refused_at_once(host):
    for asked in (ask, served_model):
        with pytest.raises(EndpointError, match=r"idna.*--endpoint") as raised:
            asked(f"http://{host}/v1")
        assert "tries" not in str(raised.value) and "no list" not in str(raised.value)


def test_too_few_open_files_are_named_with_both_ways_out():
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    with raw_server(OK) as (url, _):
        ask(url)  # imports need files too
        endpoints = Endpoints([url], "m", tries=2, pause_s=0.001)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (3, limits[1]))
            with pytest.raises(EndpointError, match=r"Too many open files.*2 tries.*ulimit.*--concurrency"):
                endpoints.sample([PROMPT], 1, 9)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            endpoints.close()


def test_an_endpoint_is_asked_inside_a_running_loop():
    async def notebook(url):
        return served_model(url), ask(url)

    with raw_server(http({"data": [{"id": "vlm"}]}), OK) as (url, _):
        assert asyncio.run(notebook(url)) == ("vlm", ["fine"])


def test_a_closed_endpoint_leaves_nothing_and_answers_by_an_error():
    def held():
        return threading.active_count(), sum(1 for _ in Path("/proc/self/fd").iterdir())

    threads, files = held()
    endpoints = [Endpoints(["http://127.0.0.1:9/v1"], "m") for _ in range(5)]
    for model in (*endpoints, *endpoints):
        model.close()
    assert held()[0] <= threads and held()[1] <= files  # fewer where another test's server ends meanwhile
    with pytest.raises(RuntimeError, match="closed"):
        endpoints[0].sample([PROMPT], 1, 9)
    with pytest.raises(RuntimeError, match="closed"):
        endpoints[0].start(lambda model: model.sample([PROMPT], 1, 9))


def test_a_fork_of_the_process_gets_an_error_and_spares_the_loop_of_its_parent():
    with raw_server(OK) as (url, _):
        endpoints = Endpoints([url], "m")
        try:
            if not (child := os.fork()):
                status = 1
                try:
                    endpoints.sample([PROMPT], 1, 9)
                except RuntimeError:
                    endpoints.close()
                    status = 7
                finally:
                    os._exit(status)
            deadline = time.monotonic() + 10
            while not (ended := os.waitpid(child, os.WNOHANG))[0] and time.monotonic() < deadline:
                time.sleep(0.01)
            if not ended[0]:
                os.kill(child, 9)
                os.waitpid(child, 0)
            assert os.waitstatus_to_exitcode(ended[1]) == 7
            assert endpoints.sample([PROMPT], 1, 9) == [["fine"]]
        finally:
            endpoints.close()
