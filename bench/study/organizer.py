"""The organizer's page: the progress of raters, and the votes so far."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bench.study import votes

if TYPE_CHECKING:
    from bench.study.server import Service


async def _page(service: Service, request: Request) -> Response:
    _check(service, request)
    base = str(request.base_url)
    links = {one.slot: f"{base}r/{one.token}/" for one in service.invited.raters}
    return service.render(
        "organizer.html.j2", root="../../static/", links=links, **await run_in_threadpool(_counts, service)
    )


async def _state(service: Service, request: Request) -> Response:
    _check(service, request)
    return JSONResponse(await run_in_threadpool(_counts, service))


async def _votes(service: Service, request: Request) -> Response:
    _check(service, request)
    names = {one.slot: one.rater for one in service.invited.raters}
    table = await run_in_threadpool(votes.of_store, service.store, service.study, names)
    headers = {"content-disposition": 'attachment; filename="votes.csv"'}
    return Response(votes.to_csv(table), media_type="text/csv", headers=headers)


def _check(service: Service, request: Request) -> None:
    if not service.invited.organizes(request.path_params["token"]):
        raise HTTPException(404, "no such page")


def _counts(service: Service) -> dict[str, Any]:
    """Return everybody's progress as JSON."""
    with service.store.reading() as reader:
        sittings, closed = reader.sittings(), reader.closed()
    raters = []
    for one in service.invited.raters:
        found, total = sittings.get(one.slot), len(service.rules.rater(one.slot).trials)
        done = found.done if found else 0
        state = "done" if found and found.finished else "started" if found else "new"
        raters.append({"slot": one.slot, "rater": one.rater, "done": done, "total": total, "state": state})
    return {
        "closed": closed,
        "raters": raters,
        "finished": sum(rater["state"] == "done" for rater in raters),
        "begun": len(sittings),
        "trials": sum(rater["done"] for rater in raters),
    }


PAGES: dict[str, Callable[[Service, Request], Awaitable[Response]]] = {
    "": _page,
    "state": _state,
    "votes.csv": _votes,
}
