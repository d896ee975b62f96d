"""The server answers who holds the token, on loopback, on its own page; and what it sends is in order."""

import hashlib
import io
import json
import re
import socket
import subprocess
import sys
import time
from importlib import resources
from urllib.request import urlopen

import pytest
from PIL import Image
from starlette.testclient import TestClient
from typer.testing import CliRunner

from rise_bench.cli import app as commands
from rise_bench.curation.decisions import read_decisions
from rise_bench.curation.queue import ITEMS_NAME
from rise_bench.curation.review.app import FILES, make_app
from rise_bench.curation.review.server import sole_reviewer
from rise_bench.curation.review.session import Review
from rise_bench.errors import ConfigError

from .conftest import COOKIE, HOSTILE, TOKEN, boxes, write

ORIGIN = "http://127.0.0.1:8000"
PUT = {"Origin": ORIGIN}
ACCEPT = {"version": 0, "action": "accept", "values": None, "note": ""}


def connect(folder) -> TestClient:
    return TestClient(make_app(Review(folder), token=TOKEN, cookie=COOKIE), base_url=ORIGIN)


@pytest.fixture
def stranger(boxes_folder) -> TestClient:
    return connect(boxes_folder)


@pytest.fixture
def client(stranger) -> TestClient:
    assert stranger.get(f"/?token={TOKEN}").status_code == 200
    return stranger


@pytest.mark.parametrize(
    "path", ["/", "/?token=", "/?token=wrong", "/?token=%F0%9F%92%A3", "/static/review.js", "/api/items",
             f"/api/items/0?token={TOKEN}", "/images/x/0", "/no/such/path"],
)  # fmt: skip
def test_without_the_token_nothing_is_told(stranger, path):
    answer = stranger.get(path)
    assert answer.status_code == 403 and "set-cookie" not in answer.headers
    assert answer.text == "Open the address that `rise-bench review` printed; it holds the token.\n"


def test_a_wrong_cookie_and_a_write_without_the_token_are_refused(stranger):
    stranger.cookies.set(COOKIE, "wrong")
    assert stranger.get("/").status_code == 403
    assert stranger.put("/api/items/0", json=ACCEPT, headers=PUT).status_code == 403


def test_the_token_is_exchanged_for_a_cookie_and_leaves_the_address(stranger):
    answer = stranger.get(f"/?token={TOKEN}", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "./")
    assert {"HttpOnly", "SameSite=strict"} <= set(answer.headers["set-cookie"].split("; "))
    page = stranger.get("/")
    assert page.status_code == 200 and TOKEN not in page.text


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", "", "[::1", "0.0.0.0:8000"])
def test_a_name_that_leads_here_is_refused(client, host):
    assert client.get("/", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize("host", ["localhost:8000", "[::1]:9", "127.0.0.1"])
def test_names_of_loopback_are_answered(client, host):
    answer = client.get("/api/items/0", headers={"Host": host, "Cookie": f"{COOKIE}={TOKEN}"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "http://127.0.0.1:9000", "https://127.0.0.1:8000"]
)
def test_a_write_from_another_page_is_refused(client, origin, boxes_folder):
    headers = {} if origin is None else {"Origin": origin}
    assert client.put("/api/items/0", json=ACCEPT, headers=headers).status_code == 403
    assert not (boxes_folder / "decisions.csv").exists()


def test_nothing_but_the_page_itself_may_be_loaded(client):
    for path in ("/", "/api/items", "/static/review.js", "/images/x/0", "/none"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "no-store" in client.get("/api/items/0").headers["cache-control"]


def test_the_page_names_only_files_that_are_served(client):
    page = client.get("/").text
    assert "A &lt;b&gt;queue" in page and "<b>queue" not in page
    linked = re.findall(r'(?:src|href)="(?!#)([^"]+)"', page)
    assert len(linked) >= 6
    for path in linked:
        assert client.get(f"/{path}").status_code == 200, path
    for name, (package, media_type) in FILES.items():
        answer = client.get(f"/static/{name}")
        assert answer.content == resources.files(package).joinpath("static", name).read_bytes()
        assert answer.headers["content-type"].startswith(media_type)


@pytest.mark.parametrize(
    "path", ["/static/..%2fapp.py", "/static/../app.py", "/static/%2e%2e/app.py", "/static//etc/passwd",
             "/static/%2fetc%2fpasswd", "/images/x/..%2f..%2fapp.py", "/images/x/-1", "/images/x/99",
             "/static/"],
)  # fmt: skip
def test_no_other_file_is_reached(client, path):
    assert client.get(path).status_code == 404


def test_an_image_outside_the_pictures_is_not_sent(boxes_folder, tmp_path):
    lines = (boxes_folder / ITEMS_NAME).read_text()
    (tmp_path / "secret.png").write_bytes((boxes_folder / "pictures" / "a.png").read_bytes())
    for path in ("../../secret.png", str(tmp_path / "secret.png")):
        (boxes_folder / ITEMS_NAME).write_text(lines.replace('"a.png"', json.dumps(path), 1))
        client = connect(boxes_folder)
        client.get(f"/?token={TOKEN}")
        answer = client.get("/images/x/0")
        assert answer.status_code == 422 and "is not a picture in" in answer.json()["problem"]


def test_the_page_says_that_a_picture_was_replaced(boxes_folder):
    lines = (boxes_folder / ITEMS_NAME).read_text()
    spoilt = lines.replace('"image_sha256": ""', f'"image_sha256": "{"0" * 64}"')
    (boxes_folder / ITEMS_NAME).write_text(spoilt)
    client = connect(boxes_folder)
    client.get(f"/?token={TOKEN}")
    answer = client.get("/images/x/0")
    assert answer.status_code == 422 and "is another picture than" in answer.json()["problem"]


@pytest.mark.parametrize(
    ("form", "options", "sent"),
    [
        ("JPEG", {}, "image/jpeg"),
        ("PNG", {}, "image/png"),
        ("WEBP", {}, "image/webp"),
        ("TIFF", {}, "image/png"),
    ],
)
def test_an_image_is_sent_so_that_a_browser_shows_it(client, boxes_folder, form, options, sent):
    picture = boxes_folder / "pictures" / "a.png"
    Image.open(picture).save(picture, form, **options)
    answer = client.get("/images/x/0")
    assert answer.headers["content-type"] == sent
    assert Image.open(io.BytesIO(answer.content)).size == (200, 150)
    assert (answer.content == picture.read_bytes()) == (form != "TIFF")


def test_a_broken_image_says_what_is_wrong(client, boxes_folder):
    (boxes_folder / "pictures" / "a.png").write_bytes(b"<svg onload='alert(1)'/>")
    answer = client.get("/images/x/0")
    assert answer.status_code == 422 and "not an image" in answer.json()["problem"]
    assert answer.headers["content-type"] == "application/json"


def test_an_item_is_told_with_what_shows_it(client):
    item = client.get("/api/items/0?show=undecided").json()
    assert item["given"]["values"] == [list(box) for box in boxes().xywh]
    corners = [[outline[0], outline[2]] for outline in item["given"]["outlines"]]
    assert corners == [[[x, y], [x + w, y + h]] for x, y, w, h in boxes().xywh]
    assert item["scores"] == [["suspicion", 1.0]] and HOSTILE in item["why"][0]
    assert [item[name] for name in ("before", "after", "undecided", "place", "total")] == [None, 1, 0, 0, 5]
    assert client.get("/api/items/2").json()["given"] is None


def test_decisions_come_with_the_version_that_was_seen(client, boxes_folder):
    first = client.put("/api/items/0", json=ACCEPT | {"note": HOSTILE}, headers=PUT).json()
    assert first["version"] == 1 and first["counts"]["decided"] == 1
    late = client.put("/api/items/0", json=ACCEPT | {"action": "skip"}, headers=PUT)
    assert late.status_code == 409 and late.json()["decision"]["action"] == "accept"
    assert read_decisions(boxes_folder / "decisions.csv")["000"].note == HOSTILE
    undone = client.put("/api/items/0", json=ACCEPT | {"version": 1, "action": None}, headers=PUT).json()
    assert undone["decision"] is None and read_decisions(boxes_folder / "decisions.csv") == {}


def test_the_next_item_is_told_as_of_the_decision(client):
    """Another person may have decided it since the page showed this one."""
    assert client.get("/api/items/0?show=undecided").json()["after"] == 1
    client.put("/api/items/1", json=ACCEPT, headers=PUT)
    saved = client.put("/api/items/0?show=undecided", json=ACCEPT, headers=PUT).json()
    assert (saved["after"], saved["undecided"]) == (2, 2)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400), (b"[]", 400), (b"{}", 400), (b'{"version": 0}', 400), (b"\xff", 400),
        (b"[" * 100_000, 400),
        (json.dumps(ACCEPT | {"action": "delete"}).encode(), 400),
        (json.dumps(ACCEPT | {"action": ["accept"]}).encode(), 400),
        (json.dumps(ACCEPT | {"version": "0"}).encode(), 400),
        (json.dumps(ACCEPT | {"note": None}).encode(), 400),
        (json.dumps(ACCEPT | {"action": "edit", "values": [[1, 2, 3]]}).encode(), 422),
        (json.dumps(ACCEPT | {"action": "edit", "values": float("nan")}).encode(), 400),
        (json.dumps(ACCEPT | {"note": "x" * (1 << 20)}).encode(), 413),
    ],
)  # fmt: skip
def test_what_is_no_decision_changes_nothing(client, boxes_folder, body, status):
    answer = client.put("/api/items/0", content=body, headers=PUT)
    assert answer.status_code == status, answer.text
    assert not (boxes_folder / "decisions.csv").exists()


def test_methods_and_places_that_do_not_exist(client):
    assert client.put("/api/items/99", json=ACCEPT, headers=PUT).status_code == 404
    assert client.delete("/api/items/0", headers=PUT).status_code == 405
    assert client.get("/api/items?start=x").status_code == 400


def test_ten_thousand_items_open_and_turn_quickly(tmp_path):
    """CPU time, since the machine may be busy; a page that read all items would take many times as long."""
    folder = write(tmp_path, "boxes", [(boxes(), boxes(1))] * 10_000)
    began = time.process_time()
    client = connect(folder)
    client.get(f"/?token={TOKEN}")
    rows = client.get("/api/items?show=undecided&count=1").json()
    item = client.get(f"/api/items/{rows['rows'][0]['index']}?show=undecided")
    opened = time.process_time() - began
    began = time.process_time()
    for version in range(10):
        assert client.put("/api/items/0", json=ACCEPT | {"version": version}, headers=PUT).status_code == 200
        last = client.get("/api/items/9999?show=undecided")
    decided = (time.process_time() - began) / 10
    assert rows["total"] == 10_000 and last.json()["total"] == 9_999
    assert len(item.content) < 5_000 and len(client.get("/api/items?count=9999").content) < 50_000
    assert opened < 2 and decided < 0.2


def test_the_vendored_script_is_the_published_one():
    """A changed copy would no longer be what its licence file, and a reader of it, takes it for."""
    static = resources.files("rise_bench.curation.review").joinpath("static")
    notice = static.joinpath("annotorious.LICENSE.txt").read_text("utf-8")
    hashes = re.findall(r"^sha256 (\w{64})  (\S+)$", notice, re.MULTILINE)
    assert [name for _, name in hashes] == ["annotorious.js", "annotorious.css"]
    for sha256, name in hashes:
        assert hashlib.sha256(static.joinpath(name).read_bytes()).hexdigest() == sha256
    assert "BSD 3-Clause License" in notice


def test_the_command_serves_until_ctrl_c_and_says_what_was_decided(boxes_folder):
    command = [sys.executable, "-m", "rise_bench", "review", str(boxes_folder), "--no-browser"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            address = re.search(r"http://127\.0\.0\.1:\d+/\?token=\S{43}", process.stdout.readline())[0]
            with pytest.raises(ConfigError, match="another `rise-bench review`"), sole_reviewer(boxes_folder):
                pass
            with pytest.raises(OSError, match="403"):
                urlopen(address.partition("?")[0])
            Review(boxes_folder).decide(0, 0, "accept")
        finally:
            process.send_signal(2)
        out, err = process.communicate(timeout=20)
    assert process.returncode == 0 and err == ""
    assert "1 of 5 decided (1 accepted, 0 the model's, 0 edited, 0 skipped)" in out
    assert str(boxes_folder / "decisions.csv") in out


def test_the_status_needs_no_server(boxes_folder):
    Review(boxes_folder).decide(4, 0, "model")
    told = CliRunner().invoke(commands, ["review", str(boxes_folder), "--status", "--json"])
    assert json.loads(told.stdout) == {
        "folder": str(boxes_folder), "decisions": str(boxes_folder / "decisions.csv"), "items": 5,
        "decided": 1, "undecided": 4, "accept": 0, "model": 1, "edit": 0, "skip": 0,
    }  # fmt: skip
    told = CliRunner().invoke(commands, ["review", str(boxes_folder), "--status"])
    assert told.stdout == "1 of 5 decided (0 accepted, 1 the model's, 0 edited, 0 skipped)\n"


def test_a_taken_port_is_named(boxes_folder):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        told = CliRunner().invoke(
            commands, ["review", str(boxes_folder), "--port", str(port), "--no-browser"]
        )
    assert isinstance(told.exception, ConfigError) and f"port {port} cannot be opened" in str(told.exception)
