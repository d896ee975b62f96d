"""Endpoints that answer oddly, without end, elsewhere or with our key: text, or an error with the way on."""

import gzip
import io
import json
import os
import threading
import time
import zlib
from contextlib import suppress

import pytest
from PIL import Image

from rise_bench.errors import ConfigError, PrerequisiteError
from rise_bench.models.endpoint_failure import EndpointError
from rise_bench.models.openai_endpoint import ChatServers, Endpoints, served_model
from rise_bench.models.sampler import Prompt, SampleError, Sampling, TokenCount

from ..support.raw_server import chat, http, raw_server

KEY = "v3ry-secret-key"

OK = http(chat("fine"))


@pytest.fixture(scope="module")
def prompt():
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(buffer, "PNG")
    return Prompt((buffer.getvalue(),), "why?")


def ask(url, prompt, n=1, **options):
    asked = {"tries": 2, "pause_s": 0.001, "timeout_s": 5.0} | options
    endpoints = Endpoints([url], "m", **asked)
    try:
        return endpoints.sample([prompt], n, 9)[0]
    finally:
        endpoints.close()


NESTED = b'{"choices": ' + b"[" * 200_000 + b"]" * 200_000 + b"}"
GZIP = ("200 OK", "Content-Encoding: gzip")


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (http(chat(None)), ""),
        (http(chat("")), ""),
        (http({"choices": [{"message": {"role": "assistant"}}]}), ""),
        (http({"choices": [{"message": {"refusal": "I cannot"}}]}), ""),
        (http(chat([])), ""),
        (http(chat([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}])), "ab"),
        (http(chat([{"type": "image_url", "image_url": {}}, {"type": "text", "text": "a"}])), "a"),
        (http(chat("half \ud83d pair")), "half � pair"),
        (http(chat("\udc00\ud83d\ude00\ud83d")), "�😀�"),
        (http(chat("nul \x00 and \x1b[31m")), "nul \x00 and \x1b[31m"),
        (http(b"\xef\xbb\xbf" + json.dumps(chat("bom")).encode()), "bom"),
        (http(json.dumps(chat("é")).encode("utf-16")), "é"),
        (http(chat("x", index="no", finish_reason=7) | {"usage": None, "id": [], "created": "x"}), "x"),
        (http(chat("text"), "200 OK", "Content-Type: text/html"), "text"),
        (http(gzip.compress(json.dumps(chat("packed")).encode()), *GZIP), "packed"),
        (http(zlib.compress(json.dumps(chat("d")).encode()), "200 OK", "Content-Encoding: deflate"), "d"),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n" + OK, "fine"),
        (http(chat("policy"), "200 OK", f"Content-Security-Policy: {'x' * 20_000}"), "policy"),
        (http(chat("a")).replace(b"Content-Length: 46\r\n", b""), "a"),
        (http({"choices": chat("a")["choices"] * 9}), "a"),
    ],
)
def test_replies_that_are_data(prompt, reply, text):
    with raw_server(reply) as (url, requests):
        (drawn,) = ask(url, prompt)
    assert drawn == text and len(requests) == 1
    drawn.encode()


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (http(b""), "an empty body"),
        (http(b" \n"), "an empty body"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "an empty body"),
        (
            http(b"<!doctype html><h1>Hi\x1b[2J", "200 OK", "Content-Type: text/html"),
            "no JSON: <!doc",
        ),
        (http(b"[]"), r"JSON without choices: \[\]"),
        (http([chat("a")]), "JSON without choices"),
        (http(b"null"), "JSON without choices: null"),
        (http(b"17"), "JSON without choices"),
        (http({}), "JSON without choices"),
        (http({"choices": []}), "JSON without choices"),
        (http({"choices": None}), "JSON without choices"),
        (http({"choices": {"0": 1}}), "JSON without choices"),
        (http({"error": {"message": "overloaded"}}), "overloaded"),
        (http({"choices": [None]}), "a choice without a message"),
        (http({"choices": ["a"]}), "a choice without a message"),
        (http({"choices": [{"text": "a"}]}), "a choice without a message"),
        (http({"choices": [{"message": "a"}]}), "a choice without a message"),
        (http(chat(7)), "content is int"),
        (http(chat(True)), "content is bool"),
        (http(chat({"text": "a"})), "content is dict"),
        (http(chat(["a"])), "content is list"),
        (http(chat([{"type": "text", "text": 7}])), "a part whose text is not text"),
        (http(chat([{"type": "text"}])), "a part whose text is not text"),
        (http(json.dumps(chat("é"), ensure_ascii=False).encode("latin-1")), "no JSON"),
        (http(b'{"choices": [{"message": {"content": "a'), "no JSON"),
        (http(b"data: {}\n\n", "200 OK", "Content-Type: text/event-stream"), "no JSON: data"),
        (http(NESTED), "no JSON"),
        (http(b'{"choices": ' + b"9" * 10_000 + b"}"), "no JSON|without choices"),
        (http(b"\xff\xfe\x00\x01"), "no JSON"),
        (http(gzip.compress(b" " * (40 << 20)), *GZIP), "larger than allowed"),
        (http(b" " * (17 << 20)), "larger than allowed"),
        (http(b"not gzip", *GZIP), "unreadable way"),
        (http(b"x", "200 OK", "Content-Encoding: br"), "unreadable way"),
    ],
)
def test_replies_that_are_none_fail_the_sample_after_a_second_try(prompt, reply, reason):
    with raw_server(reply) as (url, requests), pytest.raises(SampleError, match=reason) as raised:
        ask(url, prompt, tries=6)
    assert len(requests) == 2 and "\x1b" not in str(raised.value)
    with raw_server(reply, OK) as (url, _):
        assert ask(url, prompt) == ["fine"]


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Le",
        OK[:-5],
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"cho',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000,
        http(b"busy", "503 Busy"),
        http(b"later", "429 Too Many"),
    ],
)
def test_cut_connections_and_what_passes_are_tried_again(prompt, reply):
    with (
        raw_server(reply) as (url, requests),
        pytest.raises(EndpointError, match=r"3 tries.*the same"),
    ):
        ask(url, prompt, tries=3)
    assert len(requests) == 3
    with raw_server(reply, OK) as (url, _):
        assert ask(url, prompt) == ["fine"]


@pytest.mark.parametrize(
    ("status", "tries", "error"),
    [
        ("401 No", 1, "answered 401.*API key"),
        ("503 Busy", 3, "answered 503.*3 tries"),
        ("101 Go", 1, "answered 101"),
    ],
)
@pytest.mark.parametrize(
    "body", [http(b"x", "STATUS", "Content-Encoding: br"), http(b"x" * (17 << 20), "STATUS")]
)
def test_a_status_counts_whatever_its_body_is(prompt, status, tries, error, body):
    reply = body.replace(b"STATUS", status.encode(), 1)
    with raw_server(reply) as (url, requests), pytest.raises(EndpointError, match=error):
        ask(url, prompt, tries=3)
    assert len(requests) == tries


@pytest.mark.parametrize(
    ("head", "error"),
    [
        (b"302 Moved\r\nLocation: http://h\xe9/", r"redirects \(302\)"),
        (b"503 Busy\r\nRetry-After: Mon, 01 Jan 2024 00:00:00 +9999999999999999999", "answered 503"),
        (b"503 Busy\r\nRetry-After: \xe9", "answered 503"),
    ],
)
def test_headers_that_make_no_sense_are_no_failure_of_ours(prompt, head, error):
    reply = b"HTTP/1.1 " + head + b"\r\nContent-Length: 0\r\n\r\n"
    with raw_server(reply) as (url, _), pytest.raises(EndpointError, match=error) as raised:
        ask(url, prompt)
    str(raised.value).encode()


def test_an_encoding_is_not_quoted_at_length(prompt):
    reply = http(b"x", "200 OK", f"Content-Encoding: {'y' * 5000}")
    with raw_server(reply) as (url, _), pytest.raises(SampleError, match="unreadable way") as raised:
        ask(url, prompt)
    assert len(str(raised.value)) < 400


def drip(*parts, pause_s=0.05):
    def send(connection):
        for part in parts:
            connection.sendall(part)
        while True:
            connection.sendall(b" ")
            time.sleep(pause_s)

    return send


@pytest.mark.parametrize(
    "reply",
    [
        lambda connection: time.sleep(3),
        drip(b"HTTP/1.1 200 OK\r\nX:"),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n{"),
        drip(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: "),
        drip(b"HTTP/1.1 400 No\r\n\r\n"),
    ],
    ids=["nothing", "header", "body", "stream", "error"],
)
def test_a_reply_that_does_not_end_is_given_up(prompt, reply):
    start = time.monotonic()
    with (
        raw_server(reply) as (url, requests),
        pytest.raises(EndpointError, match=r"0\.3 s \(2 tries\)"),
    ):
        ask(url, prompt, timeout_s=0.3, tries=6)
    assert time.monotonic() - start < 3 and len(requests) == 2


def test_a_stream_without_end_is_given_up_at_its_bound(prompt):
    def flood(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with raw_server(flood) as (url, _), pytest.raises(SampleError, match="larger than allowed"):
        ask(url, prompt, max_reply_bytes=1 << 20, timeout_s=60)


@pytest.mark.parametrize(
    "start", [b"", b"Transfer-Encoding: chunked\r\n\r\n0\r\n"], ids=["headers", "trailers"]
)
def test_headers_without_end_are_given_up(prompt, start):
    def flood(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + start)
        while True:
            connection.sendall(b"X: x\r\n" * 100)

    with raw_server(flood) as (url, _), pytest.raises(EndpointError, match="Too many headers"):
        ask(url, prompt, timeout_s=60)


def refused(parameter, message):
    return http({"error": {"message": message, "param": parameter}}, "400 Bad Request")


@pytest.mark.parametrize(
    ("reply", "sent", "absent"),
    [
        (
            refused(
                "max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."
            ),
            {"max_completion_tokens": 9},
            "max_tokens",
        ),
        (http({"error": {"message": "'n' : number must be at most 1"}}, "400 x"), {"max_tokens": 9}, "n"),
        (
            refused("n", "Invalid 'n': integer above maximum value. Expected a value <= 1, but got 2."),
            {},
            "n",
        ),
        (refused("None", "Unsupported parameter: 'max_tokens'."), {"max_completion_tokens": 9}, "max_tokens"),
        (refused("temperature", "Only the default (1) value is supported."), {"top_p": 1.0}, "temperature"),
        (http({"detail": "`top_p` is deprecated for this model"}, "422 x"), {"temperature": 1.0}, "top_p"),
    ],
)
def test_what_a_server_refuses_of_a_request_is_said_otherwise(prompt, reply, sent, absent):
    with raw_server(reply, OK) as (url, requests):
        assert ask(url, prompt, n=2) == ["fine", "fine"]
    first, *later = (json.loads(body) for _, body in requests)
    assert absent in first and len(later) == 2, "one text a reply; a refused form is sent once"
    assert all(sent.items() <= body.items() and absent not in body for body in later)


def test_parameters_that_are_left_out_are_said_once(prompt, caplog):
    refusal = refused("None", "Unrecognized request arguments supplied: min_p, top_k")
    with raw_server(refusal, OK, OK) as (url, requests):
        endpoints = Endpoints([url], "m", tries=2, pause_s=0.001, timeout_s=5.0)
        for _ in range(2):
            endpoints.sample([prompt], 1, 9)
        endpoints.close()
    assert [line.message for line in caplog.records] == [f"{url} refuses min_p, top_k: it is asked without"]
    assert not {"min_p", "top_k"} & json.loads(requests[-1][1]).keys()


@pytest.mark.parametrize(
    "reply",
    [
        refused("max_tokens", "'max_tokens' or 'max_completion_tokens' is too large: 5000"),
        http({"detail": [{"loc": ["body", "max_tokens"], "msg": "should be less than 4096"}]}, "422 x"),
        http({"detail": [{"loc": ["body", "seed"], "msg": "not permitted", "input": {"n": 1}}]}, "422 x"),
        http(["'n' is unsupported", [["["]]], "400 x"),
        http({"detail": [{"loc": 5, "msg": "unsupported"}, "n", None]}, "422 x"),
    ],
)
def test_a_value_that_is_refused_changes_no_other_request(prompt, reply):
    with raw_server(reply, reply, OK) as (url, requests):
        endpoints = Endpoints([url], "m", tries=2, pause_s=0.001, timeout_s=5.0)
        for _ in range(2):
            with suppress(SampleError):
                endpoints.sample([prompt], 2, 9)
        assert endpoints.sample([prompt], 1, 9) == [["fine"]]
        endpoints.close()
    assert {"max_tokens", "n"} <= json.loads(requests[-1][1]).keys()


def test_each_server_is_asked_in_its_own_form(prompt):
    def answering(wanted, other):
        def reply(connection):
            body = json.loads(requests[-1][1])
            bad = refused(other, f"Unsupported parameter: '{other}'. Use '{wanted}'.")
            connection.sendall(OK if wanted in body else bad)

        return reply

    with (
        raw_server(answering("max_completion_tokens", "max_tokens")) as (new, requests),
        raw_server(OK) as (old, of_old),
    ):
        endpoints = Endpoints([new, old], "m", tries=2, pause_s=0.001, timeout_s=5.0)
        for _ in range(3):
            assert endpoints.sample([prompt] * 2, 1, 9) == [["fine"]] * 2
        endpoints.close()
    assert len(requests) == 4 and len(of_old) == 3
    assert all("max_tokens" in json.loads(body) for _, body in of_old)


SHAPING = {"top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}


@pytest.mark.parametrize(
    ("temperature", "stated"), [(1.0, SHAPING), (0.4, SHAPING), (0.0, {"repetition_penalty": 1.0})]
)
def test_what_a_server_would_take_from_the_checkpoint_is_stated_and_described(prompt, temperature, stated):
    with raw_server(OK) as (url, requests):
        endpoints = Endpoints([url], "m", sampling=Sampling(temperature))
        assert endpoints.sample([prompt], 1, 9) == [["fine"]]
        endpoints.close()
    body, described = json.loads(requests[0][1]), endpoints.describe()
    for told in (body, described):
        assert {name: told[name] for name in SHAPING if name in told} == stated
    assert described.items() <= body.items()


def strict(message, status="400 x"):
    """A server that knows no parameter of `SHAPING`; the message is made of those that are sent."""

    def reply(requests, connection):
        sent = [name for name in SHAPING if name in json.loads(requests[-1][1])]
        connection.sendall(http(message(sent), status) if sent else OK)

    return reply


UNKNOWN_NAME = 'Invalid JSON payload received. Unknown name "{}": Cannot find field.'
REFUSALS = {
    "OpenAI": (
        strict(
            lambda sent: {
                "error": {
                    "message": f"Unrecognized request arguments supplied: {', '.join(sent)}",
                    "type": "invalid_request_error",
                    "param": None,
                    "code": None,
                }
            }
        ),
        2,
    ),
    "OpenAI, one at a time": (
        strict(lambda sent: {"error": {"message": f"Unknown parameter: '{sent[0]}'.", "param": sent[0]}}),
        4,
    ),
    "Gemini": (
        strict(
            lambda sent: [
                {
                    "error": {
                        "code": 400,
                        "message": "\n".join(map(UNKNOWN_NAME.format, sent)),
                        "status": "INVALID_ARGUMENT",
                        "details": [
                            {
                                "@type": "type.googleapis.com/google.rpc.BadRequest",
                                "fieldViolations": [{"description": UNKNOWN_NAME.format(n)} for n in sent],
                            }
                        ],
                    }
                }
            ]
        ),
        2,
    ),
    "FastAPI": (
        strict(
            lambda sent: {
                "detail": [
                    {"type": "extra_forbidden", "loc": ["body", name], "msg": "Extra inputs", "input": 1}
                    for name in sent
                ]
            },
            "422 x",
        ),
        2,
    ),
    "a value": (strict(lambda sent: {"message": f"{sent[0]} must be between 0 and 100"}), 4),
    "JSON without a name": (strict(lambda sent: {"error": {"message": "Bad request", "type": "x"}}), 2),
    "HTML": (strict(lambda sent: b'<html><a class="x">400 Bad Request</a>'), 2),
    "nothing": (strict(lambda sent: b"", "422 x"), 2),
}


@pytest.mark.parametrize(("reply", "asked"), REFUSALS.values(), ids=REFUSALS)
def test_a_server_that_does_not_know_them_is_asked_without_from_then_on(prompt, reply, asked):
    requests = []
    with raw_server(lambda connection: reply(requests, connection)) as (url, seen):
        requests = seen
        endpoints = Endpoints([url], "m", tries=1)
        assert endpoints.sample([prompt] * 4, 1, 9) == [["fine"]] * 4
        endpoints.close()
    assert len(requests) == asked + 3, "the decision is remembered"
    last = json.loads(requests[-1][1])
    assert not SHAPING.keys() & last.keys() and {"temperature", "top_p", "max_tokens", "n"} <= last.keys()


def test_a_refusal_that_names_nothing_is_one_of_the_sample_where_they_were_taken(prompt):
    refusal = http({"error": "I will not look at this"}, "400 x")
    with raw_server(refusal, refusal, OK, refusal, OK) as (url, requests):
        endpoints = Endpoints([url], "m", tries=2, pause_s=0.001)
        for _ in range(2):
            with pytest.raises(SampleError, match="will not look"):
                endpoints.sample([prompt], 1, 9)
            assert endpoints.sample([prompt], 1, 9) == [["fine"]]
        endpoints.close()
    stated = [SHAPING.items() <= json.loads(body).items() for _, body in requests]
    assert stated == [True, False, True, True, True]


def test_openai_is_not_sent_what_it_refuses():
    hosts = {"api.openai.com": True, "eu.api.openai.com": True, "myapi.openai.com": False, "h": False}
    for host, known in hosts.items():
        servers = ChatServers([f"https://{host}/v1"])
        assert [refused == SHAPING.keys() for refused in servers._refused.values()] == [known], host


SURE, VARIED, ONE, EMPTY = [["a", "a"]], [["a", "a"]] * 7 + [["a", "b"]], [["a"]], [["", ""]]


@pytest.mark.parametrize(
    ("texts", "temperature", "warnings"),
    [
        (SURE * 7, 1.0, 0),
        (SURE * 8, 1.0, 1),
        (SURE * 40, 1.0, 1),
        (SURE * 20, 0.0, 0),
        (VARIED * 4, 1.0, 0),
        (ONE * 20, 1.0, 0),
        (EMPTY * 20, 1.0, 0),
        ((SURE + ONE + EMPTY) * 8, 1.0, 1),
    ],
)
def test_random_texts_that_are_always_equal_are_warned_of_once(prompt, caplog, texts, temperature, warnings):
    replies = [http({"choices": [chat(text)["choices"][0] for text in drawn]}) for drawn in texts]
    with raw_server(*replies) as (url, _):
        endpoints = Endpoints([url], "m", sampling=Sampling(temperature))
        for drawn in texts:
            assert endpoints.sample([prompt], len(drawn), 9) == [drawn]
        endpoints.close()
    told = [record.getMessage() for record in caplog.records if "equal texts" in record.getMessage()]
    assert len(told) == warnings
    assert all("--generation-config vllm" in text and "--sampling-defaults openai" in text for text in told)


def test_a_parameter_that_cannot_be_said_otherwise_is_a_refusal(prompt):
    with raw_server(refused("model", "no such model")) as (url, requests):
        with pytest.raises(SampleError, match="no such model"):
            ask(url, prompt)
        assert len(requests) == 1


@pytest.mark.parametrize(("status", "tries"), [(301, 1), (302, 1), (303, 1), (307, 1), (308, 1)])
def test_no_redirect_is_followed(prompt, monkeypatch, status, tries):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with raw_server(OK) as (other, stolen):
        redirect = http(b"", f"{status} Moved", f"Location: {other}/chat/completions?k={KEY}")
        with raw_server(redirect) as (url, requests), pytest.raises(EndpointError) as raised:
            ask(url, prompt)
    assert not stolen and len(requests) == tries
    assert "not followed" in str(raised.value) and other in str(raised.value) and KEY not in str(raised.value)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422, 500, 503, 200, 302])
def test_a_server_that_quotes_our_key_does_not_get_it_shown(prompt, monkeypatch, status):
    monkeypatch.setenv("TEACHER", KEY)  # a name that says nothing
    quoted = b"x" * 190 + f" Authorization: Bearer {KEY} {json.dumps(KEY)} \x1b]0;owned\x07".encode()
    shown = pytest.raises((EndpointError, SampleError))
    with raw_server(http(quoted, f"{status} {KEY}")) as (url, requests), shown as raised:
        ask(url, prompt, api_key_env="TEACHER")
    assert f"Bearer {KEY}".encode() in requests[0][0]
    assert KEY[:8] not in str(raised.value) and "\x1b" not in str(raised.value)


@pytest.mark.parametrize(
    "key",
    [f"{KEY}\n", f"{KEY}\r\nX: y", f" {KEY}", f"{KEY}\x7f", f"{KEY}é", f"{KEY}\u200b", "two words", "\t"],
)
def test_a_key_that_no_header_can_hold_is_refused_unseen(monkeypatch, key):
    monkeypatch.setattr(os, "environ", os.environ | {"TEACHER": key})
    with pytest.raises(PrerequisiteError, match="the key in TEACHER holds") as raised:
        Endpoints(["http://127.0.0.1:9/v1"], "m", api_key_env="TEACHER")
    assert KEY not in str(raised.value)


def test_a_key_given_in_place_of_its_variable_is_refused_unseen():
    with pytest.raises(PrerequisiteError, match="the variable's name, not the key") as raised:
        Endpoints(["http://127.0.0.1:9/v1"], "m", api_key_env=KEY)
    assert KEY not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        *("https://user:hunter2@host/v1", "https://hunter2@host/v1", "https://u:p@hunter2/x@host/v1"),
        *("localhost:8000/v1", "ftp://host/v1", "http://", "http:///v1", "//host/v1", "", "v1"),
        *("http://host/v1?api_key=hunter2", "http://host/v1#x", "http://[::1/v1", "http://host:port/v1"),
        *(
            "http://host:99999/v1",
            "http://ho st/v1",
            "http://host/v1\n",
            "http://h\x1b[2Jst/v1",
            "http://hést/v1",
        ),
    ],
)
def test_a_url_that_makes_no_sense_or_holds_a_password_is_refused(url):
    with pytest.raises(ConfigError, match="--endpoint") as raised:
        Endpoints([url], "m")
    assert "hunter2" not in str(raised.value) and "\x1b" not in str(raised.value)


def test_only_our_key_is_sent(prompt, monkeypatch):
    for name in ("OPENAI_ADMIN_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "HF_TOKEN"):
        monkeypatch.setenv(name, f"{name}-value")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    with raw_server(OK) as (url, requests):
        ask(url, prompt)
    head = requests[0][0].decode().lower()
    assert "authorization" not in head and "-value" not in head


def test_retry_after_is_obeyed(prompt):
    busy = http(b"", "429 Too Many", "Retry-After: 0.6")
    start = time.monotonic()
    with raw_server(busy, OK) as (url, _):
        assert ask(url, prompt) == ["fine"]
    assert 0.6 <= time.monotonic() - start < 3


def test_a_call_in_flight_or_in_a_pause_ends_when_the_endpoints_are_closed(prompt):
    ended = []
    for reply in (lambda connection: time.sleep(9), http(b"", "503 Busy", "Retry-After: 60")):
        with raw_server(reply) as (url, requests):
            endpoints = Endpoints([url], "m")

            def call(endpoints=endpoints):
                try:
                    endpoints.sample([prompt], 1, 9)
                except BaseException as error:
                    ended.append(type(error).__name__)

            thread = threading.Thread(target=call)
            thread.start()
            while not requests:
                time.sleep(0.01)
            time.sleep(0.05)
            endpoints.close()
            thread.join(2)
            assert not thread.is_alive()
    assert ended == ["CancelledError"] * 2


def test_tokens_are_counted_where_the_server_says_how_many(prompt):
    usage = {"usage": {"prompt_tokens": 70, "completion_tokens": 5}}
    odd = [{"usage": odd} for odd in (None, [], {"prompt_tokens": "many", "completion_tokens": -1})]
    replies = [http(chat("fine") | more) for more in (usage, *odd, usage)]
    with raw_server(*replies) as (url, _):
        endpoints = Endpoints([url], "m")
        try:
            endpoints.sample([prompt] * 5, 1, 9)
        finally:
            endpoints.close()
    assert endpoints.tokens == TokenCount(prompt=140, completion=10, uncounted=3)


def test_a_server_is_asked_for_the_name_of_its_one_model():
    def models(*names):
        return http({"object": "list", "data": [{"id": name} for name in names]})

    with raw_server(models("org/vlm")) as (url, requests):
        assert served_model(url) == "org/vlm"
    assert requests[0][0].startswith(b"GET /v1/models ") and b"authorization" not in requests[0][0].lower()
    for reply, message in (
        (models("a", "b"), "serves 2 models: a, b. Name the model: --endpoint"),
        (models(), "serves 0 models"),
        (http(b"<html>"), "sent no list of models"),
        (http({"error": "no"}, "404 Not Found"), "answered 404"),
    ):
        with raw_server(reply) as (url, _), pytest.raises(EndpointError, match=message):
            served_model(url)
