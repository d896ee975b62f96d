"""Teacher CoTs over HTTP: real requests to a server on the loopback that fails in every way servers fail."""

import base64
import io
import json
import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from rise_bench.cot.dataset import open_cots
from rise_bench.data.dataset import open_dataset
from rise_bench.errors import DataError, PrerequisiteError
from rise_bench.models.data_urls import data_url
from rise_bench.models.openai_endpoint import Endpoints
from rise_bench.models.sampler import Prompt, SampleError, Sampling

from ..support.in_process import invoke

REFUSAL = {"error": {"message": "no", "param": "messages"}}


class Server:
    """A chat-completion server; `plan` maps the text of a prompt to what it answers, in turn."""

    def __init__(self, plan, choices=None):
        self.seen, self.asked = [], Counter()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.seen.append((self.path, {k.title(): v for k, v in self.headers.items()}, body))
                text = body["messages"][0]["content"][1]["text"]
                answers = plan(text)
                answer = answers[min(outer.asked[text], len(answers) - 1)]
                outer.asked[text] += 1
                status, content = (answer, REFUSAL) if isinstance(answer, int) else (200, None)
                if content is None:
                    n = min(body["n"], choices or body["n"])
                    content = {"choices": [{"message": {"content": answer}} for _ in range(n)]}
                data = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()


@pytest.fixture
def serve():
    servers = []

    def start(plan, **options):
        servers.append(Server(plan, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.http.shutdown()


def picture(size=(6, 4), orientation=None, form="PNG"):
    buffer, image = io.BytesIO(), Image.new("RGB", size, "red")
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    image.save(buffer, form, exif=exif)
    return buffer.getvalue()


def test_what_is_sent_and_what_comes_back(serve, monkeypatch):
    monkeypatch.setenv("TEACHER_KEY", "secret")
    server = serve(lambda text: ["a"])
    teacher = Endpoints([server.url], "big", sampling=Sampling(temperature=0.7), api_key_env="TEACHER_KEY")
    assert teacher.sample([Prompt((picture(),), "why?")], 3, 50) == [["a"] * 3]
    ((path, headers, body),) = server.seen
    assert path == "/v1/chat/completions" and headers["Authorization"] == "Bearer secret"
    assert (body["model"], body["n"], body["temperature"], body["max_tokens"]) == ("big", 3, 0.7, 50)
    image, text = body["messages"][0]["content"]
    assert text == {"type": "text", "text": "why?"}
    assert base64.b64decode(image["image_url"]["url"].partition(",")[2]) == picture()


def test_a_server_that_gives_one_choice_at_a_time_is_asked_again(serve):
    server = serve(lambda text: ["a"], choices=1)
    assert Endpoints([server.url], "m").sample([Prompt((picture(),), "x")], 3, 9) == [["a"] * 3]
    assert len(server.seen) == 3


def test_passing_failures_are_tried_again(serve):
    server = serve(lambda text: [503, 429, "ok"])
    assert Endpoints([server.url], "m", pause_s=0.01).sample([Prompt((picture(),), "x")], 1, 9) == [["ok"]]
    assert len(server.seen) == 3


def test_a_dead_server_among_others_costs_tries_but_no_sample(serve):
    server = serve(lambda text: ["ok"])
    both = Endpoints(["http://127.0.0.1:9/v1", server.url], "m", pause_s=0.01)
    assert both.sample([Prompt((picture(),), f"x{i}") for i in range(4)], 1, 9) == [["ok"]] * 4


@pytest.mark.parametrize(
    ("status", "error", "message"),
    [
        (400, SampleError, "refused"),
        (401, PrerequisiteError, "--api-key-env"),
        (404, PrerequisiteError, "--endpoint"),
        (503, PrerequisiteError, "the same command again"),
    ],
)
def test_lasting_failures_say_how_to_mend_them(serve, status, error, message):
    server = serve(lambda text: [status])
    with pytest.raises(error, match=message):
        Endpoints([server.url], "m", pause_s=0.001, tries=2).sample([Prompt((picture(),), "x")], 1, 9)
    assert len(server.seen) == (2 if status == 503 else 1)


@pytest.mark.parametrize(
    ("data", "untouched"),
    [
        (picture(), True),
        (picture(form="JPEG"), True),
        (picture(orientation=6, form="JPEG"), False),
        (picture(form="BMP"), False),
    ],
    ids=["png", "jpeg", "rotated", "bmp"],
)
def test_bytes_pass_untouched_unless_a_server_may_show_them_wrongly(data, untouched):
    sent = base64.b64decode(data_url(data).partition(",")[2])
    assert (sent == data) == untouched
    if not untouched:
        assert Image.open(io.BytesIO(sent)).size in ((4, 6), (6, 4))


def test_teacher_cots_from_two_endpoints_of_which_one_refuses_a_sample(built, toy, tmp_path, serve):
    """The teacher explains well; the loop, the reward and the dataset are the same as for a local model."""

    def teach(text):
        if "Reasoning:" not in text:
            return ["The picture is dominated by warm tones and soft edges"]
        return ['<answer>{"red": 0.5, "green": 0.25, "blue": 0.25}</answer>']

    refused = {"left": 1}

    def picky(text):
        if "Reasoning:" not in text and refused["left"]:
            refused["left"] = 0
            return [400]
        return teach(text)

    servers = [serve(teach), serve(picky)]
    urls = [part for server in servers for part in ("--endpoint", server.url)]
    options = [*urls, "--model", "teacher", "--benchmark", built, "--samples", 2, "--out", tmp_path / "cots"]
    with pytest.raises(DataError, match="refused 1 of 8"):
        invoke("collect", *options)
    assert not (tmp_path / "cots").exists()
    invoke("collect", *options)
    rows = list(open_cots(tmp_path / "cots").rows())
    assert {row["id"] for row in rows} == {gold.id for gold in toy.golds}
    assert all(server.seen for server in servers)
    for row in rows:
        assert row["format_ok"] and not row["leak_numbers"] and row["reward"] == row["similarity"] > 0
        stated = {"model": "teacher", "top_k": -1, "min_p": 0.0, "repetition_penalty": 1.0}
        assert stated.items() <= json.loads(row["provenance"]).items()


def test_a_refusal_is_known_to_the_other_process_where_samples_may_be_missing(
    built, tmp_path, serve, monkeypatch
):
    """Each of two processes has one refused sample; the second one to end writes without both."""
    ids = [row["id"] for row in open_dataset(built).rows("train", columns=["id"])]
    bad, asked = set(ids[:2]), iter(ids[0::2] + ids[1::2])

    def picky(text):
        if "Reasoning:" not in text:
            return [400 if next(asked) in bad else "The picture is dominated by warm tones and soft edges"]
        return ['<answer>{"red": 0.5, "green": 0.25, "blue": 0.25}</answer>']

    options = ["--endpoint", serve(picky).url, "--model", "teacher", "--benchmark", built, "--samples", 1]
    options += ["--concurrency", 1, "--allow-missing", "--out", tmp_path / "cots"]
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in ("0", "1"):
        assert not (tmp_path / "cots").exists()
        monkeypatch.setenv("RANK", rank)
        invoke("collect", *options)
    assert {row["id"] for row in open_cots(tmp_path / "cots").rows()} == set(ids) - bad
