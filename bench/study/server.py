"""`bench study serve`: serve the raters' pages and the organizer's page from this machine."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, TypeVar

from jinja2 import Environment, PackageLoader
from pydantic import BaseModel, ConfigDict, Field, StrictInt, ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from bench.runtime.errors import UserError
from bench.study import invitations, organizer, view
from bench.study.folder import MEDIA, load
from bench.study.invitations import Invitation, Invitations
from bench.study.sitting import Refused, Rules
from bench.study.store import Store, Vote, Writer
from bench.web.headers import Headers
from reports.schema.study import Study

LARGEST = 16 << 10  # bytes of a browser's request
STATUS = {"closed": 403, "no-consent": 403, "unknown-trial": 404, "changed": 409, "not-yet": 409, "too-early": 425}
_STATIC = {name: "text/javascript" for name in (*view.SCRIPTS, "organizer.js")} | {view.STYLE: "text/css"}
_LOG = logging.getLogger(__name__)

Body = TypeVar("Body", bound=BaseModel)


class _Sent(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class VoteSent(_Sent):
    """A browser's answer to a trial."""

    trial: Annotated[str, Field(pattern="^[0-9a-f]{16}$")]
    grades: dict[Annotated[str, Field(max_length=60)], StrictInt] = Field(max_length=50)
    seconds: Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False)]


class ConsentSent(_Sent):
    """A browser's message before the first trial."""

    agreed: bool
    facts: dict[Annotated[str, Field(max_length=60)], Annotated[str, Field(max_length=1000)]] = Field(max_length=50)


@dataclass
class Service:
    """A served study. clock: seconds since 1970."""

    folder: Path
    study: Study
    invited: Invitations
    store: Store
    clock: Callable[[], float] = time.time
    rules: Rules = field(init=False)
    pages: Environment = field(init=False)

    def __post_init__(self) -> None:
        self.rules = Rules(self.study)
        self.pages = Environment(loader=PackageLoader("bench.study", "web"), autoescape=True)

    def render(self, name: str, **facts: Any) -> HTMLResponse:
        """Return a page; every name in it is escaped."""
        return HTMLResponse(self.pages.get_template(name).render(study=self.study, **facts))

    def invitation(self, request: Request) -> Invitation:
        """Return the rater of a link. Raises 404 for an unknown link."""
        found = self.invited.find(request.path_params["token"])
        if found is None:
            raise HTTPException(404, "this invitation is unknown")
        return found

    def begin(self, writer: Writer, slot: int) -> None:
        """Record that a rater sees the next trial."""
        trials, number = self.rules.rater(slot).trials, self.rules.current(writer, slot)
        if number < len(trials):
            writer.start(slot, trials[number].id, self.clock())

    def state(self, slot: int) -> dict[str, Any]:
        """Return a rater's progress, and record that the current trial has begun."""
        trials, rules = self.rules.rater(slot).trials, self.rules
        with self.store.reading() as reader:
            number, sitting, closed = rules.current(reader, slot), reader.sitting(slot), reader.closed()
            consented = sitting.consented is not None
            open_ = consented and not closed and number < len(trials)
            begun = open_ and reader.started(trials[number].id) is not None
        if open_ and not begun:
            with self.store.writing() as writer:
                self.begin(writer, slot)
        ahead = [view.trial(rules, trials[at], at, len(trials)) for at in range(number, len(trials))[:2] if open_]
        return {
            "consented": consented,
            "closed": closed is not None,
            "done": number,
            "total": len(trials),
            "finished": number == len(trials),
            "trial": ahead[0] if ahead else None,
            "next": ahead[1] if len(ahead) > 1 else None,
        }


def app(folder: Path, clock: Callable[[], float] = time.time) -> Starlette:
    """Return the application of a study's folder. Raises UserError."""
    service = Service(folder, load(folder), invitations.read(folder), Store(folder), clock)
    routes = [
        Route("/", _front),
        Route("/static/{name}", _static),
        *(Route(f"/r/{{token}}/{name}", _bound(service, of)) for name, of in _RATER.items()),
        *(Route(f"/r/{{token}}/{name}", _bound(service, of), methods=["POST"]) for name, of in _RATER_SENDS.items()),
        *(Route(f"/o/{{token}}/{name}", _bound(service, of)) for name, of in organizer.PAGES.items()),
    ]
    failures = {HTTPException: _failed, Refused: _refused, UserError: _unusable, ClientDisconnect: _gone}
    made = Starlette(routes=routes, exception_handlers=failures)
    made.add_middleware(Headers, policy=view.POLICY)
    made.state.service = service
    return made


def _bound(
    service: Service, of: Callable[[Service, Request], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    async def handle(request: Request) -> Response:
        return await of(service, request)

    return handle


async def _front(_: Request) -> Response:
    return PlainTextResponse("A user study. Open the link of your invitation.\n")


async def _static(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _STATIC:
        raise HTTPException(404, "there is no such file")
    return FileResponse(view.WEB / name, media_type=_STATIC[name])


async def _page(service: Service, request: Request) -> Response:
    service.invitation(request)
    return service.render("study.html.j2", root="../../static/", static=False, scripts=view.SCRIPTS)


async def _texts(service: Service, request: Request) -> Response:
    service.invitation(request)
    return JSONResponse(view.texts(service.study))


async def _state(service: Service, request: Request) -> Response:
    slot = service.invitation(request).slot
    return JSONResponse(await run_in_threadpool(service.state, slot))


async def _media(service: Service, request: Request) -> Response:
    """Return a video of one of the rater's own trials; the name comes from the plan, never from the request."""
    rater = service.rules.rater(service.invitation(request).slot)
    name = request.path_params["name"]
    for trial in rater.trials:
        for stimulus in trial.stimuli:
            if name == f"{stimulus}.mp4":
                file = service.folder / MEDIA / name
                if not file.is_file():
                    raise UserError(f"{file} is missing", code="missing-file")
                return FileResponse(file, media_type="video/mp4")
    raise HTTPException(404, "this is not a video of your trials")


async def _consent(service: Service, request: Request) -> Response:
    slot = service.invitation(request).slot
    sent = await _body(request, ConsentSent)
    if not sent.agreed:
        raise HTTPException(422, "nothing is stored before you agree")

    def store() -> dict[str, Any]:
        with service.store.writing() as writer:
            service.rules.consent(writer, slot, sent.facts, service.clock())
            service.begin(writer, slot)
        return service.state(slot)

    return JSONResponse(await run_in_threadpool(store))


async def _vote(service: Service, request: Request) -> Response:
    slot = service.invitation(request).slot
    sent = await _body(request, VoteSent)

    def store() -> dict[str, Any]:
        vote = Vote(sent.trial, slot, sent.grades, sent.seconds, service.clock())
        with service.store.writing() as writer:
            if service.rules.vote(writer, vote, writer.started(sent.trial)):
                service.begin(writer, slot)  # in the same transaction: one wait for the disk
        return service.state(slot)

    return JSONResponse(await run_in_threadpool(store))


async def _body(request: Request, kind: type[Body]) -> Body:
    """Read a request, at most `LARGEST` bytes of it."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send JSON")
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > LARGEST:
            raise HTTPException(413, "the request is too large")
    try:
        return kind.model_validate(json.loads(content))
    except (ValidationError, ValueError, RecursionError):
        raise HTTPException(422, "the request has an invalid form") from None


async def _failed(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code)


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return JSONResponse({"error": str(error), "reason": error.reason}, STATUS.get(error.reason, 422))


async def _unusable(_: Request, error: Exception) -> Response:
    """Handle a missing or damaged database or video: a general message for the rater, details in the log."""
    _LOG.error("%s", error)
    words = "The study cannot store answers at the moment. Please tell the person who invited you."
    return JSONResponse({"error": words}, 503)


async def _gone(_: Request, error: Exception) -> Response:
    return PlainTextResponse("", 400)  # nobody reads it: the browser has disconnected


_RATER = {"": _page, "texts": _texts, "state": _state, "media/{name}": _media}
_RATER_SENDS = {"consent": _consent, "vote": _vote}
