"""The web application: the addresses under ``/v1``, the page, and errors as sentences."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp

from anymask import __version__
from anymask.errors import AnymaskError
from anymask.predict.prompters import Prompter
from anymask.session import EditedError, RevisionError
from anymask.web.access import Access
from anymask.web.dialects import DIALECTS
from anymask.web.dialects.desk import Desk
from anymask.web.dialects.label_studio_files import LabelStudio
from anymask.web.guarding import Guard
from anymask.web.model_queue import BusyError
from anymask.web.routes import classes, exports, images, leases, objects, prompts, runs, status
from anymask.web.routes.asked import MissingError
from anymask.web.workplace import Workplace

PAGE = Path(__file__).parent / "page"
MOST_UPLOAD = 256 * 2**20

_ABOUT = (
    "Images, masks and all steps of one anymask session. Send `Authorization: Bearer TOKEN` with "
    'the token of the address that `anymask serve` printed. Errors are `{"error": sentence}`.'
)


def create_app(
    work: Workplace,
    access: Access,
    *,
    most_upload: int = MOST_UPLOAD,
    label_studio: LabelStudio | None = None,
    detector: Prompter | None = None,
) -> ASGIApp:
    """Make the application that serves a session.

    Parameters
    ----------
    work : Workplace
        Closed when the application stops.
    access : Access
    most_upload : int
        Bytes of an image that is sent.
    label_studio : LabelStudio, optional
        From which the dialect of that name fetches images; by default it fetches none.
    detector : Prompter, optional
        Finds what words name, for dialects that take words.

    Returns
    -------
    ASGI application
    """

    @asynccontextmanager
    async def life(_: FastAPI) -> AsyncIterator[None]:
        yield
        work.close()

    app = FastAPI(
        title="anymask",
        version=__version__,
        description=_ABOUT,
        openapi_url="/v1/openapi.json",
        docs_url=None,  # these pages would load scripts from elsewhere
        redoc_url=None,
        lifespan=life,
    )
    app.state.workplace = work
    for part in (status, images, leases, objects, prompts, classes, runs, exports):
        app.include_router(part.routes)
    desk = Desk(work, detector)
    for name, dialect in DIALECTS.items():
        if access.dialect_of(f"/{name}"):
            app.include_router(
                dialect.routes(desk, label_studio or LabelStudio()), prefix=f"/{name}"
            )
    app.add_exception_handler(AnymaskError, _sentence)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(HTTPException, _http)
    app.mount("/page", StaticFiles(directory=PAGE), name="page")
    page = (PAGE / "index.html").read_text("utf-8")

    @app.get("/", include_in_schema=False)
    def index(request: Request) -> Response:
        # No redirect: a browser would not send a strict cookie along with one that began elsewhere.
        answer = HTMLResponse(page)
        answer.set_cookie(
            access.cookie,
            access.cookie_value,
            max_age=30 * 86400,
            httponly=True,
            samesite="strict",
            secure=request.url.scheme == "https",
        )
        return answer

    app.add_middleware(GZipMiddleware, minimum_size=2000, compresslevel=1)
    guarded: ASGIApp = Guard(app, access, most_upload)
    if access.origins:
        guarded = CORSMiddleware(
            guarded,
            allow_origins=sorted(access.origins),
            allow_methods=["GET", "POST", "PUT", "DELETE"],
            allow_headers=["authorization", "content-type", "x-user"],
        )
    return guarded


def _answer(status: int, sentence: str, code: str = "") -> JSONResponse:
    facts = {"error": sentence} | ({"code": code} if code else {})
    return JSONResponse(facts, status)


async def _sentence(_: Request, error: Exception) -> Response:
    if isinstance(error, MissingError):
        return _answer(404, str(error))
    if isinstance(error, RevisionError):
        return _answer(409, str(error), "revision")
    if isinstance(error, EditedError):
        return _answer(409, str(error), "edited")
    if isinstance(error, BusyError):
        answer = _answer(429, str(error), "busy")
        answer.headers["retry-after"] = "1"
        return answer
    return _answer(400, str(error))


async def _malformed(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"] if part != "body") or "the body"
    return _answer(422, f"The request is malformed, at {place}: {first['msg']}.")


async def _http(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    sentence = str(error.detail)
    if error.status_code == 404:
        sentence = "There is nothing at this address; /v1/openapi.json lists what there is."
    return _answer(error.status_code, sentence)
