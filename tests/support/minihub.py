"""A Hub on loopback that the real `huggingface_hub` and `datasets` clients accept; standard library only.

It serves what this project uses: accounts, repositories, commits (with the optimistic lock on the parent),
LFS uploads, files by commit with ranges, refs, pull requests. It is not the Hub: no rate limits, no pages, no
multipart uploads, no Xet. Answers can be spoilt on purpose, see `Minihub.spoil`.
"""

import base64
import contextlib
import datetime
import hashlib
import json
import re
import socket
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

_COMMIT = re.compile(r"[0-9a-f]{40}")
_LFS_SUFFIXES = (".parquet", ".safetensors", ".bin", ".png", ".jpg")
_HOSTILE_PARTS = ("", ".", "..", ".git")


class Refusal(Exception):  # noqa: N818
    """An answer other than success."""

    def __init__(self, status: int, message: str, code: str = "", **headers: str):
        super().__init__(message)
        self.status = status
        self.headers = {"X-Error-Message": message, **{k.replace("_", "-"): v for k, v in headers.items()}}
        if code:
            self.headers["X-Error-Code"] = code


@dataclass(frozen=True)
class User:
    name: str
    orgs: tuple[str, ...] = ()


@dataclass
class File:
    """A file of a commit; its bytes lie in `Minihub.blobs` under the sha256."""

    oid: str
    sha256: str
    size: int
    lfs: bool


@dataclass
class Commit:
    oid: str
    parent: str | None
    tree: dict[str, File]
    title: str
    body: str
    author: str
    date: str


@dataclass
class Repo:
    private: bool
    gated: bool = False
    refs: dict[str, str] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    discussions: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Spoiler:
    """What happens to the next requests that match."""

    method: str
    path: re.Pattern[str]
    times: int
    status: int = 0
    drop: bool = False
    cut_after_bytes: int = -1
    lose_answer: bool = False
    delay_s: float = 0.0


@dataclass(frozen=True)
class Request:
    """One line of the log; `bytes` is the size of the body that came in, status 0 a connection cut by us."""

    method: str
    path: str
    status: int
    bytes: int


class Minihub:
    """The state of the server."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Forget everything but the accounts."""
        self.users = {
            "hf_alice": User("alice", ("rise", "rise-bench")),
            "hf_bob": User("bob", ("rise",)),
            "hf_mallory": User("mallory"),
        }
        self.repos: dict[tuple[str, str], Repo] = {}
        self.blobs: dict[str, bytes] = {}
        self.log: list[Request] = []
        self.spoilers: list[Spoiler] = []

    def spoil(self, method: str, path: str, *, times: int = 1, **how: Any) -> None:
        """Spoil the next `times` requests whose path matches the pattern `path`.

        How: `status=` answers that; `drop=True` hangs up at once; `cut_after_bytes=` hangs up after so much
        of the body; `lose_answer=True` does the work, then hangs up; `delay_s=` waits, then answers.
        """
        self.spoilers.append(Spoiler(method, re.compile(path), times, **how))

    def take_spoiler(self, method: str, path: str) -> Spoiler | None:
        with self.lock:
            for spoiler in self.spoilers:
                if spoiler.times and spoiler.method == method and spoiler.path.search(path):
                    spoiler.times -= 1
                    return spoiler
        return None

    def requests(self, method: str, path: str) -> list[Request]:
        """Logged requests that match."""
        return [r for r in self.log if r.method == method and re.search(path, r.path)]

    def files(self, repo: str, revision: str = "main", kind: str = "dataset") -> dict[str, bytes]:
        """The files of a commit."""
        found = self.repos[kind, repo]
        tree = found.commits[self.resolve(found, revision)].tree
        return {path: self.blobs[file.sha256] for path, file in tree.items()}

    def history(self, repo: str, kind: str = "dataset") -> list[Commit]:
        """Commits of the main branch, newest first."""
        found, oid = self.repos[kind, repo], self.repos[kind, repo].refs["refs/heads/main"]
        commits = []
        while oid:
            commits.append(found.commits[oid])
            oid = found.commits[oid].parent
        return commits

    def create(self, kind: str, repo_id: str, user: User, *, private: bool) -> Repo:
        if repo_id.split("/")[0] not in (user.name, *user.orgs):
            raise Refusal(403, "You don't have the rights to create a repo under this namespace")
        if (kind, repo_id) in self.repos:
            raise Refusal(409, "You already created this repo")
        repo = self.repos[kind, repo_id] = Repo(private)
        self.commit(repo, "refs/heads/main", None, {}, "initial commit", "", user.name)
        return repo

    def commit(
        self,
        repo: Repo,
        ref: str,
        parent: str | None,
        tree: dict[str, File],
        title: str,
        body: str,
        author: str,
    ) -> str:
        seed = f"{len(repo.commits)} {parent} {title} {sorted((p, f.oid) for p, f in tree.items())}"
        oid = hashlib.sha1(seed.encode()).hexdigest()
        repo.commits[oid] = Commit(oid, parent, tree, title, body, author, _now())
        repo.refs[ref] = oid
        return oid

    def resolve(self, repo: Repo, revision: str) -> str:
        for ref in (revision, f"refs/heads/{revision}", f"refs/tags/{revision}"):
            if ref in repo.refs:
                return repo.refs[ref]
        if _COMMIT.fullmatch(revision) and revision in repo.commits:
            return revision
        raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")

    def store(self, data: bytes) -> str:
        sha256 = hashlib.sha256(data).hexdigest()
        self.blobs[sha256] = data
        return sha256


class Handler(BaseHTTPRequestHandler):
    """One connection; `hub` is set on a subclass by `serve`."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    disable_nagle_algorithm = True
    hub: Minihub

    def log_message(self, *arguments: Any) -> None:
        pass

    def handle_any(self) -> None:
        url = urlsplit(self.path)
        self.query = parse_qs(url.query)
        spoiler = self.hub.take_spoiler(self.command, self.path)
        if spoiler and (spoiler.drop or spoiler.cut_after_bytes >= 0):
            self.rfile.read(max(0, spoiler.cut_after_bytes))
            return self._hang_up(max(0, spoiler.cut_after_bytes))
        self.body = self._read_body()
        if spoiler and spoiler.delay_s:
            time.sleep(spoiler.delay_s)
        try:
            if spoiler and spoiler.status:
                raise Refusal(spoiler.status, "spoilt on purpose")
            with self.hub.lock:
                status, payload, headers = self._dispatch(url.path)
        except Refusal as refusal:
            status, payload, headers = refusal.status, {"error": str(refusal)}, refusal.headers
        except Exception:
            traceback.print_exc()
            status, payload, headers = 500, {"error": "internal"}, {}
        if spoiler and spoiler.lose_answer:
            return self._hang_up(len(self.body))
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self._send(status, payload, headers)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_any  # noqa: N815

    def _hang_up(self, received: int) -> None:
        self.hub.log.append(Request(self.command, self.path, 0, received))
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def _read_body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def _dispatch(self, path: str) -> tuple[int, Any, dict[str, str]]:
        method = "GET" if self.command == "HEAD" else self.command
        for verb, pattern, function in _ROUTES:
            if verb == method and (match := pattern.fullmatch(path)):
                answer = function(self, *[unquote(g) if g else "" for g in match.groups()])
                return answer if isinstance(answer, tuple) else (200, answer, {})
        raise Refusal(404, f"no route {self.command} {path}")

    def _send(self, status: int, payload: Any, headers: dict[str, str]) -> None:
        data = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/octet-stream" if isinstance(payload, bytes) else "application/json",
            "Content-Length": str(len(data)),
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        self.hub.log.append(Request(self.command, self.path, status, len(self.body)))
        self.wfile.flush()

    # Who asks, and for what

    @property
    def base(self) -> str:
        return f"http://{self.headers.get('Host')}"

    def json(self) -> dict[str, Any]:
        return json.loads(self.body or b"{}")

    def user(self) -> User | None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if token and token not in self.hub.users:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return self.hub.users.get(token)

    def signed_in(self) -> User:
        user = self.user()
        if user is None:
            raise Refusal(401, "Invalid username or password.")
        return user

    def may_write(self, repo_id: str) -> bool:
        user = self.user()
        return user is not None and repo_id.split("/")[0] in (user.name, *user.orgs)

    def repo(self, kind: str, repo_id: str, *, write: bool = False) -> Repo:
        repo, mine = self.hub.repos.get((kind, repo_id)), self.may_write(repo_id)
        status = 401 if self.user() is None else 404
        if repo is None or (repo.private and not mine):
            raise Refusal(status, "Repository not found", "RepoNotFound")
        if write and not mine:
            raise Refusal(401 if self.user() is None else 403, "Forbidden: you don't have write access")
        return repo

    # Accounts and repositories

    def whoami(self) -> Any:
        user = self.signed_in()
        orgs = [{"type": "org", "id": org, "name": org, "roleInOrg": "write"} for org in user.orgs]
        token = {"displayName": "test", "role": "write"}
        return {"type": "user", "id": user.name, "name": user.name, "fullname": user.name, "orgs": orgs} | {
            "auth": {"type": "access_token", "accessToken": token}
        }

    def create_repo(self) -> Any:
        user, asked = self.signed_in(), self.json()
        kind = asked.get("type") or "model"
        repo_id = f"{asked.get('organization') or user.name}/{asked['name']}"
        private = bool(asked.get("private")) or asked.get("visibility") == "private"
        answer = {"url": f"{self.base}/{_prefix(kind)}{repo_id}", "name": repo_id, "id": repo_id}
        if (kind, repo_id) in self.hub.repos:
            return 409, {"error": "You already created this repo", **answer}, {}
        self.hub.create(kind, repo_id, user, private=private)
        return answer

    def validate_yaml(self) -> Any:
        content = self.json()["content"]
        if not re.match(r"---\r?\n.*?\r?\n---\s*(\n|$)", content, re.DOTALL):
            return 400, {"errors": [{"message": "no front matter"}], "warnings": []}, {}
        return {"errors": [], "warnings": []}

    def info(self, kind: str, repo_id: str, revision: str = "main") -> Any:
        repo = self.repo(kind, repo_id)
        commit = repo.commits[self.hub.resolve(repo, revision)]
        siblings = [
            {"rfilename": path, "size": file.size, "blobId": file.oid}
            for path, file in sorted(commit.tree.items())
        ]
        return {
            "_id": hashlib.sha1(repo_id.encode()).hexdigest()[:24],
            "id": repo_id,
            "modelId": repo_id,
            "author": repo_id.split("/")[0],
            "sha": commit.oid,
            "lastModified": commit.date,
            "createdAt": commit.date,
            "private": repo.private,
            "gated": repo.gated,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "cardData": None,
            "siblings": siblings,
        }

    def refs(self, kind: str, repo_id: str) -> Any:
        repo = self.repo(kind, repo_id)

        def below(prefix: str) -> list[dict[str, str]]:
            return [
                {"name": ref.removeprefix(prefix), "ref": ref, "targetCommit": oid}
                for ref, oid in repo.refs.items()
                if ref.startswith(prefix)
            ]

        found = {"branches": below("refs/heads/"), "tags": below("refs/tags/"), "converts": []}
        return found | ({"pullRequests": below("refs/pr/")} if "include_prs" in self.query else {})

    # Reading

    def tree(self, kind: str, repo_id: str, revision: str, folder: str = "") -> Any:
        repo = self.repo(kind, repo_id)
        oid = self.hub.resolve(repo, revision)
        tree, folder = repo.commits[oid].tree, folder.strip("/")
        folders = _folders(tree)
        if folder and folder not in folders:
            raise Refusal(404, f"{folder} is not there", "EntryNotFound", X_Repo_Commit=oid)
        start = folder + "/" if folder else ""
        deep = self.query.get("recursive", ["false"])[0].lower() in ("true", "1")
        shown = [p for p in [*sorted(folders), *sorted(tree)] if p.startswith(start)]
        shown = [p for p in shown if deep or "/" not in p[len(start) :]]
        return 200, [self._entry(repo.commits[oid], path) for path in shown], {"X-Repo-Commit": oid}

    def commits(self, kind: str, repo_id: str, revision: str) -> Any:
        repo, found = self.repo(kind, repo_id), []
        oid: str | None = self.hub.resolve(repo, revision)
        while oid:
            commit = repo.commits[oid]
            found.append(
                {"id": oid, "title": commit.title, "message": commit.body, "date": commit.date}
                | {"authors": [{"user": commit.author}]}
            )
            oid = commit.parent
        return found

    def paths_info(self, kind: str, repo_id: str, revision: str) -> Any:
        repo = self.repo(kind, repo_id)
        oid = self.hub.resolve(repo, revision)
        is_json = "json" in self.headers.get("Content-Type", "")
        paths = (self.json() if is_json else parse_qs(self.body.decode())).get("paths", [])
        known = {*repo.commits[oid].tree, *_folders(repo.commits[oid].tree)}
        found = [self._entry(repo.commits[oid], path) for path in paths if path in known]
        return 200, found, {"X-Repo-Commit": oid}

    def _entry(self, commit: Commit, path: str) -> dict[str, Any]:
        last = {"lastCommit": {"id": commit.oid, "title": commit.title, "date": commit.date}}
        if path not in commit.tree:
            inside = sorted((p, f.oid) for p, f in commit.tree.items() if p.startswith(path + "/"))
            oid = hashlib.sha1(json.dumps(inside).encode()).hexdigest()
            return {"type": "directory", "oid": oid, "size": 0, "path": path, **last}
        file = commit.tree[path]
        entry = {"type": "file", "oid": file.oid, "size": file.size, "path": path, **last}
        if file.lfs:
            entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": 134}
        return entry

    def resolve_file(self, prefix: str, repo_id: str, revision: str, path: str) -> Any:
        repo = self.repo(prefix.rstrip("s/") or "model", repo_id)
        if repo.gated and not self.may_write(repo_id):
            raise Refusal(401 if self.user() is None else 403, "Access is restricted.", "GatedRepo")
        oid = self.hub.resolve(repo, revision)
        file = repo.commits[oid].tree.get(path)
        if file is None:
            raise Refusal(404, "Entry not found", "EntryNotFound", X_Repo_Commit=oid)
        data = self.hub.blobs[file.sha256]
        tag = file.sha256 if file.lfs else file.oid
        headers = {"X-Repo-Commit": oid, "ETag": f'"{tag}"', "Accept-Ranges": "bytes"}
        if file.lfs:
            headers |= {"X-Linked-Etag": f'"{tag}"', "X-Linked-Size": str(file.size)}
        asked = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if asked is None:
            return 200, data, headers
        first = int(asked[1]) if asked[1] else max(0, len(data) - int(asked[2]))
        last = min(int(asked[2] or len(data) - 1), len(data) - 1) if asked[1] else len(data) - 1
        if first >= len(data):
            return 416, b"", {"Content-Range": f"bytes */{len(data)}"}
        return 206, data[first : last + 1], headers | {"Content-Range": f"bytes {first}-{last}/{len(data)}"}

    # Writing

    def preupload(self, kind: str, repo_id: str, revision: str) -> Any:
        repo = self.repo(kind, repo_id, write="create_pr" not in self.query)
        oid = self.hub.resolve(repo, revision)
        answers = []
        for asked in self.json()["files"]:
            lfs = asked["path"].endswith(_LFS_SUFFIXES)
            answer = {"path": asked["path"], "uploadMode": "lfs" if lfs else "regular", "shouldIgnore": False}
            if old := repo.commits[oid].tree.get(asked["path"]):
                answer["oid"] = old.sha256 if old.lfs else old.oid
            answers.append(answer)
        return {"files": answers, "commitOid": oid}

    def lfs_batch(self, prefix: str, repo_id: str) -> Any:
        self.signed_in()
        self.repo(prefix.rstrip("s/") or "model", repo_id)
        objects = []
        for asked in self.json()["objects"]:
            upload = {"upload": {"href": f"{self.base}/lfs/{asked['oid']}", "header": {}}}
            here = asked["oid"] in self.hub.blobs
            objects.append(
                {"oid": asked["oid"], "size": asked["size"]} | ({} if here else {"actions": upload})
            )
        return {"transfer": "basic", "objects": objects}

    def lfs_put(self, sha256: str) -> Any:
        if hashlib.sha256(self.body).hexdigest() != sha256:
            raise Refusal(400, "sha256 mismatch")
        self.hub.store(self.body)
        return b""

    def commit(self, kind: str, repo_id: str, revision: str) -> Any:
        user, as_pr = self.signed_in(), "create_pr" in self.query
        repo = self.repo(kind, repo_id, write=not as_pr and not revision.startswith("refs/pr/"))
        head = self.hub.resolve(repo, revision)
        header, *lines = [json.loads(line) for line in self.body.splitlines() if line.strip()]
        asked = header["value"]
        if asked.get("parentCommit", head) != head:
            raise Refusal(412, "A commit has happened since. Please refresh and try again.")
        tree = self._apply(dict(repo.commits[head].tree), lines)
        ref = revision if revision in repo.refs else f"refs/heads/{revision}"
        answer: dict[str, Any] = {"success": True, "hookOutput": ""}
        page = f"{self.base}/{_prefix(kind)}{repo_id}"
        if as_pr:
            number = self._discuss(repo, user, asked["summary"], asked.get("description", ""), is_pr=True)
            ref, answer["pullRequestUrl"] = f"refs/pr/{number}", f"{page}/discussions/{number}"
        oid = self.hub.commit(
            repo, ref, head, tree, asked["summary"], asked.get("description", ""), user.name
        )
        return answer | {"commitOid": oid, "commitUrl": f"{page}/commit/{oid}"}

    def _apply(self, tree: dict[str, File], lines: list[dict[str, Any]]) -> dict[str, File]:
        for line in lines:
            action, value = line["key"], line["value"]
            path = value["path"].rstrip("/")
            if path.startswith("/") or any(part in _HOSTILE_PARTS for part in path.split("/")):
                raise Refusal(400, f"invalid path {path!r}")
            if action == "file":
                data = base64.b64decode(value["content"])
                tree[path] = File(_git_oid(data), self.hub.store(data), len(data), lfs=False)
            elif action == "lfsFile":
                if value["oid"] not in self.hub.blobs:
                    raise Refusal(400, f"LFS object {value['oid']} was not uploaded")
                size = len(self.hub.blobs[value["oid"]])
                pointer = (
                    f"version https://git-lfs.github.com/spec/v1\noid sha256:{value['oid']}\nsize {size}\n"
                )
                tree[path] = File(_git_oid(pointer.encode()), value["oid"], size, lfs=True)
            elif action == "deletedFile":
                if tree.pop(path, None) is None:
                    raise Refusal(404, "A file with this name doesn't exist", "EntryNotFound")
            else:
                raise Refusal(400, f"unknown operation {action}")
        return tree

    def create_ref(self, kind: str, repo_id: str, what: str, name: str) -> Any:
        repo, asked = self.repo(kind, repo_id, write=True), self.json()
        name, start = (asked["tag"], name) if what == "tag" else (name, asked.get("startingPoint") or "main")
        ref = {"branch": "refs/heads/", "tag": "refs/tags/"}[what] + name
        if ref in repo.refs:
            raise Refusal(409, f"Reference already exists: {name}")
        repo.refs[ref] = self.hub.resolve(repo, start)
        return {}

    # Discussions and pull requests

    def _discuss(self, repo: Repo, user: User, title: str, text: str, *, is_pr: bool) -> int:
        number = len(repo.discussions) + 1
        repo.discussions.append(
            {"num": number, "title": title, "text": text, "author": user.name, "createdAt": _now()}
            | {"isPullRequest": is_pr, "status": "open", "mergeCommitId": None, "comments": []}
        )
        return number

    def _show(self, kind: str, repo_id: str, found: dict[str, Any]) -> dict[str, Any]:
        first = {"author": found["author"], "text": found["text"], "createdAt": found["createdAt"]}
        events = [_comment(found["num"], n, **event) for n, event in enumerate([first, *found["comments"]])]
        shown = {key: found[key] for key in ("num", "title", "status", "createdAt", "isPullRequest")}
        shown |= {"author": {"name": found["author"]}, "repo": {"name": repo_id, "type": kind}}
        shown |= {"numComments": len(found["comments"]), "pinned": False, "events": events}
        if found["isPullRequest"]:
            changes = {"base": "refs/heads/main", "mergeCommitId": found["mergeCommitId"]}
            shown |= {"changes": changes, "filesWithConflicts": [], "diff": ""}
        return shown

    def discussion_list(self, kind: str, repo_id: str) -> Any:
        all_of_them = [self._show(kind, repo_id, d) for d in self.repo(kind, repo_id).discussions]
        return {"discussions": all_of_them, "count": len(all_of_them), "start": 0}

    def discussion(self, kind: str, repo_id: str, number: str) -> Any:
        discussions = self.repo(kind, repo_id).discussions
        if not 0 < int(number) <= len(discussions):
            raise Refusal(404, "no such discussion")
        return self._show(kind, repo_id, discussions[int(number) - 1])

    def discussion_act(self, kind: str, repo_id: str, number: str, action: str) -> Any:
        repo, user, asked = self.repo(kind, repo_id, write=action == "merge"), self.signed_in(), self.json()
        found = repo.discussions[int(number) - 1]
        event = {"author": user.name, "text": asked.get("comment", ""), "createdAt": _now()}
        if action == "comment":
            found["comments"].append(event)
            return {"newMessage": _comment(found["num"], len(found["comments"]), **event)}
        found["status"] = "merged" if action == "merge" else asked["status"]
        if action == "merge":
            found["mergeCommitId"] = self._merge(repo, number, found["title"], user)
        change = {"id": "0" * 24, "type": "status-change", "createdAt": _now(), "author": {"name": user.name}}
        return {"newStatus": change | {"data": {"status": found["status"]}}}

    def _merge(self, repo: Repo, number: str, title: str, user: User) -> str:
        """Three-way merge on whole files."""
        theirs, ours = repo.refs[f"refs/pr/{number}"], repo.refs["refs/heads/main"]
        past, oid = set(), ours
        while oid:
            past.add(oid)
            oid = repo.commits[oid].parent
        base = theirs
        while base not in past:
            base = repo.commits[base].parent
        old, new, tree = (dict(repo.commits[oid].tree) for oid in (base, theirs, ours))
        for path in {*old, *new}:
            if old.get(path) == new.get(path):
                continue
            if tree.get(path) not in (old.get(path), new.get(path)):
                raise Refusal(409, f"merge conflict in {path}")
            tree.pop(path, None)
            if path in new:
                tree[path] = new[path]
        return self.hub.commit(repo, "refs/heads/main", ours, tree, f"{title} (#{number})", "", user.name)


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def _git_oid(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _prefix(kind: str) -> str:
    return "" if kind == "model" else f"{kind}s/"


def _folders(tree: dict[str, File]) -> set[str]:
    return {"/".join(path.split("/")[:n]) for path in tree for n in range(1, path.count("/") + 1)}


def _comment(discussion: int, number: int, *, author: str, text: str, createdAt: str) -> dict[str, Any]:  # noqa: N803
    latest = {"raw": text, "html": "", "updatedAt": createdAt, "author": {"name": author}}
    return {
        "id": f"{discussion:012x}{number:012x}",
        "type": "comment",
        "createdAt": createdAt,
        "author": {"name": author},
        "data": {"edited": False, "hidden": False, "latest": latest, "history": []},
    }


_KIND, _ID, _REV = r"(model|dataset|space)s", r"([\w.-]+/[\w.-]+)", r"([^/]+)"
_TABLE: list[tuple[str, str, Callable[..., Any]]] = [
    ("GET", "/api/whoami-v2", Handler.whoami),
    ("POST", "/api/repos/create", Handler.create_repo),
    ("POST", "/api/validate-yaml", Handler.validate_yaml),
    ("GET", f"/api/{_KIND}/{_ID}/refs", Handler.refs),
    ("GET", f"/api/{_KIND}/{_ID}/tree/{_REV}(/.*)?", Handler.tree),
    ("GET", f"/api/{_KIND}/{_ID}/commits/{_REV}", Handler.commits),
    ("POST", f"/api/{_KIND}/{_ID}/paths-info/{_REV}", Handler.paths_info),
    ("POST", f"/api/{_KIND}/{_ID}/preupload/{_REV}", Handler.preupload),
    ("POST", f"/api/{_KIND}/{_ID}/commit/{_REV}", Handler.commit),
    ("POST", f"/api/{_KIND}/{_ID}/(branch|tag)/{_REV}", Handler.create_ref),
    ("GET", f"/api/{_KIND}/{_ID}/discussions", Handler.discussion_list),
    ("GET", rf"/api/{_KIND}/{_ID}/discussions/(\d+)", Handler.discussion),
    ("POST", rf"/api/{_KIND}/{_ID}/discussions/(\d+)/(merge|status|comment)", Handler.discussion_act),
    ("GET", f"/api/{_KIND}/{_ID}", Handler.info),
    ("GET", f"/api/{_KIND}/{_ID}/revision/{_REV}", Handler.info),
    ("POST", rf"/(datasets/|spaces/)?{_ID}\.git/info/lfs/objects/batch", Handler.lfs_batch),
    ("PUT", "/lfs/([0-9a-f]{64})", Handler.lfs_put),
    ("GET", f"/(datasets/|spaces/)?{_ID}/(?:resolve|raw)/{_REV}/(.+)", Handler.resolve_file),
]
_ROUTES = [(method, re.compile(path), function) for method, path, function in _TABLE]


@contextlib.contextmanager
def serve(listener: socket.socket) -> Iterator[Minihub]:
    """Serve on a socket that is bound to a loopback port; the socket is closed at the end."""
    hub = Minihub()
    handler = type("BoundHandler", (Handler,), {"hub": hub})
    server = ThreadingHTTPServer(listener.getsockname(), handler, bind_and_activate=False)
    server.socket.close()
    server.socket, server.daemon_threads = listener, True
    server.server_activate()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
