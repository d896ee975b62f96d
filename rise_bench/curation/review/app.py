"""The application behind the page: the page, its files, images, items and decisions."""

from importlib import resources
from typing import Any, get_args

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from rise_bench import __version__
from rise_bench.curation.decisions import Action
from rise_bench.curation.review.guard import Guard
from rise_bench.curation.review.pictures import browser_image
from rise_bench.curation.review.session import ConflictError, Review, View
from rise_bench.curation.review.views import decision_view, item_view, list_view, review_view
from rise_bench.errors import RiseError, of_os_error
from rise_bench.files import strict_json
from rise_bench.rendering.render import render

#: File of the page -> package that has it, and media type. The look is the board's.
FILES = {
    "site.css": ("rise_bench.leaderboards.web", "text/css"),
    "icon.svg": ("rise_bench.leaderboards.web", "image/svg+xml"),
    "review.css": (__package__, "text/css"),
    "review.js": (__package__, "text/javascript"),
    "drawing.js": (__package__, "text/javascript"),
    "editors.js": (__package__, "text/javascript"),
    "annotorious.css": (__package__, "text/css"),
    "annotorious.js": (__package__, "text/javascript"),
    "annotorious.LICENSE.txt": (__package__, "text/plain"),
}
_MAX_BODY_BYTES = 1 << 20
_MAX_ROWS = 200
#: An address of an image is of this review alone, so a browser may keep what it got.
_KEPT = {"Cache-Control": "private, max-age=3600"}


def make_app(review: Review, *, token: str, cookie: str) -> Starlette:
    """Return the application of a review.

    Args:
        review: The review.
        token: The secret in the address.
        cookie: Name of the cookie that holds it.
    """
    answers = _Answers(review, cookie)
    return Starlette(
        routes=[
            Route("/", answers.page),
            Route("/static/{name}", answers.file),
            Route("/images/{review}/{index:int}", answers.image),
            Route("/api/review", answers.review),
            Route("/api/items", answers.rows),
            Route("/api/items/{index:int}", answers.item),
            Route("/api/items/{index:int}", answers.decide, methods=["PUT"], max_body_size=_MAX_BODY_BYTES),
        ],
        middleware=[Middleware(Guard, token=token, cookie=cookie)],
        exception_handlers={RiseError: _refused, OSError: _refused, HTTPException: _refused},
    )


class _Answers:
    """Answers to the requests of the page."""

    def __init__(self, review: Review, name: str) -> None:
        self._review, self._name = review, name

    def page(self, request: Request) -> Response:  # noqa: ARG002
        html = render(
            "review.html.j2",
            package=__package__,
            title=self._review.source.header.title,
            name=self._name,
            version=__version__,
        )
        return HTMLResponse(html)

    def review(self, request: Request) -> Response:  # noqa: ARG002
        return JSONResponse(review_view(self._review))

    def file(self, request: Request) -> Response:
        name = request.path_params["name"]
        if name not in FILES:
            raise HTTPException(404)
        package, media_type = FILES[name]
        data = resources.files(package).joinpath("static", name).read_bytes()
        return Response(data, media_type=media_type, headers={"Cache-Control": "no-cache"})

    def image(self, request: Request) -> Response:
        item = self._review.source.item(self._index(request))
        data, media_type = browser_image(self._review.source.image_bytes(item), item.id)
        return Response(data, media_type=media_type, headers=_KEPT)

    def rows(self, request: Request) -> Response:
        numbers = (request.query_params.get(name, "0") for name in ("start", "count"))
        try:
            start, count = map(int, numbers)
        except ValueError:
            raise HTTPException(400) from None
        count = min(max(count, 0), _MAX_ROWS)
        return JSONResponse(list_view(self._review, _view(request), max(start, 0), count))

    def item(self, request: Request) -> Response:
        return JSONResponse(item_view(self._review, self._index(request), _view(request)))

    async def decide(self, request: Request) -> Response:
        index, body = self._index(request), await request.body()
        return await run_in_threadpool(self._decided, index, body, _view(request))

    def _decided(self, index: int, body: bytes, shown: View) -> Response:
        try:
            sent = strict_json.loads(body)
            version, action, values, note = (sent[n] for n in ("version", "action", "values", "note"))
        except (LookupError, TypeError, strict_json.StrictJsonError) as error:
            raise HTTPException(400, f"no decision: {error}") from error
        if not (isinstance(version, int) and isinstance(note, str) and action in (None, *get_args(Action))):
            raise HTTPException(400, "no decision")
        try:
            if action is None:
                self._review.withdraw(index, version)
            else:
                self._review.decide(index, version, action, values, note)
        except ConflictError as error:
            view = {"problem": str(error)} | decision_view(self._review, index, shown)
            return JSONResponse(view, status_code=409)
        return JSONResponse(decision_view(self._review, index, shown))

    def _index(self, request: Request) -> int:
        index: int = request.path_params["index"]
        if index >= len(self._review.source.ids):
            raise HTTPException(404)
        return index


def _view(request: Request) -> View:
    return View(request.query_params.get("show", "all"), request.query_params.get("search", ""))


def _refused(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """Answer with what went wrong, as JSON."""
    if isinstance(error, OSError):
        error = of_os_error(error)
    status = error.status_code if isinstance(error, HTTPException) else 422
    problem: Any = error.detail if isinstance(error, HTTPException) else str(error)
    return JSONResponse({"problem": problem}, status_code=status)
