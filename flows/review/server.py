"""The HTTP routes of the review page, and their server on loopback."""

import signal
import socket
import tempfile
import threading
import webbrowser
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path as Folder
from typing import Annotated, Any

import uvicorn
from fastapi import Body, FastAPI, Path, Query, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, JSONResponse, Response

from flows.documents.ocr import second_reader_for
from flows.documents.sandbox import Sandbox
from flows.durable_files import make_private, write_private
from flows.review.correction_session import Change, Session
from flows.review.guard import Guard, Secrets
from flows.review.listing import LOW, PAGE, ListingFilter, marks_of
from flows.review.locate import locate
from flows.review.page import script, served_page, style
from flows.review.pictures import Pictures
from flows.settings import Settings
from flows.storage.dataset import Dataset
from schemas.document_type import DocumentType
from schemas.errors import ConfigurationError, DatasetError, DocumentError, PagemillError
from schemas.step_data import Evidence, Page

HOST = "127.0.0.1"
DRAWING_SECONDS = 30.0  # for one picture at most; the setting may allow less
_STATUS = {ConfigurationError: 422, DocumentError: 404, DatasetError: 503}

Id = Annotated[str, Path(pattern="^[0-9a-f]{64}$")]
Number = Annotated[int, Path(ge=1, le=1_000_000)]
_Json = dict[str, Any]


def serve_review(
    dataset: Dataset,
    document_type: DocumentType,
    settings: Settings,
    *,
    by: str,
    port: int,
    opens: bool,
    tell: Callable[[str], None],
) -> None:
    """Serve the page until Ctrl-C or SIGTERM; `tell` is called with its address. Raises ConfigurationError for a taken port."""
    with (
        _listening(port) as listening,
        tempfile.TemporaryDirectory(prefix="pagemill-") as folder,
        Sandbox(1, min(settings.split_seconds, DRAWING_SECONDS), settings.split_memory) as sandbox,
    ):
        tokens, at = Secrets(), listening.getsockname()[1]
        desk = Session(dataset, document_type, by)
        pictures = Pictures(dataset, sandbox, Folder(folder), settings.passwords, second_reader_for(settings, sandbox))
        app = application(desk, pictures, tokens)
        server = uvicorn.Server(_quiet(Guard(app, tokens, at)))

        def stop(*_: object) -> None:
            server.should_exit = True

        for entry in (signal.SIGINT, signal.SIGTERM):
            signal.signal(entry, stop)  # uvicorn raises the signal once more after it has stopped
        url = f"http://{HOST}:{at}{tokens.place}/"
        tell(f"{url}?token={tokens.entry}")
        if opens:
            door = _door(make_private(Folder(folder)), f"{url}?ticket={tokens.ticket}")
            threading.Thread(target=webbrowser.open, args=(door.as_uri(),), daemon=True).start()
        server.run(sockets=[listening])


def _door(folder: Folder, url: str) -> Folder:
    """A file that only this user can read and that leads to `url`, for a browser whose command everybody can see."""
    door = folder / "review.html"
    write_private(
        door, f'<!doctype html><title>Review</title><meta http-equiv="refresh" content="0; url={url}">'.encode()
    )
    return door


def application(desk: Session, pictures: Pictures, tokens: Secrets) -> FastAPI:
    """The routes, without their guard."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    for kind, status in _STATUS.items():
        app.add_exception_handler(kind, _answer_with(status))
    app.add_exception_handler(RequestValidationError, _misused)
    app.add_exception_handler(HTTPException, _unknown)
    app.add_exception_handler(Exception, _at_fault)
    _add_page(app, desk, tokens)
    _add_documents(app, desk, pictures)
    return app


def _add_page(app: FastAPI, desk: Session, tokens: Secrets) -> None:
    """The page itself: HTML, script, style."""
    groups = None if not desk.document_type.group else ".".join(desk.document_type.group)

    @app.get("/")
    def whole() -> HTMLResponse:
        state = {
            "type": desk.document_type.name, "dataset": desk.dataset.location, "by": desk.by, "token": tokens.changes,
            "group": groups, "low": LOW, "page": PAGE, "groups": desk.groups() if groups else [],
        }  # fmt: skip
        return HTMLResponse(served_page(state))

    @app.get("/review.js")
    def scripts() -> Response:
        return Response(script(), media_type="text/javascript")

    @app.get("/review.css")
    def styles() -> Response:
        return Response(style(), media_type="text/css")

    @app.get("/favicon.ico")
    def icon() -> Response:
        return Response(status_code=204)


def _add_documents(app: FastAPI, desk: Session, pictures: Pictures) -> None:
    """The data of the page: documents, their pages and pictures, corrections."""

    @app.get("/api/documents")
    def documents(
        marks: str = "",
        group: str | None = None,
        search: Annotated[str, Query(max_length=300)] = "",
        start: Annotated[int, Query(ge=0)] = 0,
    ) -> JSONResponse:
        return JSONResponse(desk.documents(ListingFilter(marks_of(marks.split(",")), group, search), start))

    @app.get("/api/documents/{document_id}")
    def document(document_id: Id) -> JSONResponse:
        return JSONResponse(desk.document(document_id))

    @app.get("/api/documents/{document_id}/pages/{number}")
    async def page(document_id: Id, number: Number) -> JSONResponse:
        try:
            drawn = await pictures.page(document_id, number)
        except DocumentError as error:
            text = await run_in_threadpool(desk.text, document_id, number)
            return JSONResponse({"note": str(error), "text": text})
        return JSONResponse({"picture": f"api/documents/{document_id}/pages/{number}/picture", **size(drawn)})

    @app.get("/api/documents/{document_id}/pages/{number}/picture")
    async def picture(document_id: Id, number: Number) -> Response:
        image = (await pictures.page(document_id, number)).image
        assert image is not None
        return Response(image.data, media_type=image.mime)

    @app.post("/api/documents/{document_id}/corrections")
    async def corrections(document_id: Id, asked: Annotated[_Json, Body()]) -> JSONResponse:
        change = _change(asked)
        if change.value and isinstance(asked.get("page"), int):
            change = replace(change, evidence=await _located(desk, pictures, document_id, change, asked["page"]))
        is_done = await run_in_threadpool(desk.change, document_id, change)
        now = await run_in_threadpool(desk.document, document_id)
        if not is_done:
            return JSONResponse(
                {"error": "the record was changed meanwhile; check it and repeat the change", "document": now}, 409
            )
        return JSONResponse({"document": now})


def size(page: Page) -> _Json:
    """A page's size in points, and its words, each with its box."""
    return {
        "width": page.width,
        "height": page.height,
        "words": [[word.text, *(round(side, 1) for side in word[1:])] for word in page.words],
    }


def _change(asked: _Json) -> Change:
    """The change in a request. Raises ConfigurationError for a malformed one."""
    field, value, note, version = (asked.get(name) for name in ("field", "value", "note", "version"))
    texts = (value is None or isinstance(value, str)) and (note is None or isinstance(note, str))
    if not (isinstance(field, str) and isinstance(version, str) and texts):
        raise ConfigurationError("invalid change: expected texts for field, value, note and version")
    return Change(field, value, (note or "").strip() or None, version)


async def _located(desk: Session, pictures: Pictures, document_id: str, change: Change, number: int) -> Evidence | None:
    """Place of the new value on the page that the person was shown."""
    try:
        page = await pictures.page(document_id, number)
    except DocumentError:
        return None
    record = await run_in_threadpool(desk.value, document_id)
    assert change.value is not None
    return await run_in_threadpool(locate, page, desk.document_type.root, record, change.field, change.value)


def _answer_with(status: int) -> Callable[[Request, Exception], Response]:
    def tell(_: Request, error: Exception) -> Response:
        assert isinstance(error, PagemillError)
        return JSONResponse({"error": str(error)}, status)

    return tell


def _misused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    parameter = " ".join(str(entry) for entry in error.errors()[0]["loc"])
    return JSONResponse({"error": f"{parameter}: {error.errors()[0]['msg']}"}, 422)


def _unknown(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


def _at_fault(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"{type(error).__name__}: {error}; load the document again before you go on"}, 500)


def _quiet(app: Guard) -> uvicorn.Config:
    """Settings of a server without output of its own, which stops at most a second after a signal."""
    return uvicorn.Config(
        app,
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=1,
    )


def _listening(port: int) -> socket.socket:
    """A socket that listens on loopback. Raises ConfigurationError for a port that is taken."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
    except OSError as error:
        listening.close()
        raise ConfigurationError(
            f"--port {port}: {error.strerror}; choose another port, or 0 for any free one"
        ) from error
    listening.listen()
    return listening
