"""`bench view`: serve the runs of some folders as read-only web pages."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from bench.comparison.compare import compare
from bench.rundir import kept_pictures
from bench.runtime.errors import UserError
from bench.view import clips, groups, policies
from bench.view.kept import INSPECTION, KINDS, REPORT, kept
from bench.view.shelf import Shelf, Shelved
from bench.web.headers import Headers
from protocols.errors import BenchError
from reports.comparison import html as comparison_page
from reports.run import caveats, page, plots, view
from reports.schema.manifest import Complete

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")  # DNS rebinding: a foreign page could use another name for this address
COMPARED = 16  # cached comparisons
Handler = Callable[[Request], Awaitable[Response]]


@dataclass
class Viewer:
    """The viewer of the shown runs."""

    shelf: Shelf
    pages: Environment = field(init=False)
    _compared: OrderedDict[str, str] = field(default_factory=OrderedDict)
    _busy: Lock = field(default_factory=Lock)

    def __post_init__(self) -> None:
        self.pages = Environment(
            loader=PackageLoader("bench.view", "web"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self.pages.filters["number"] = view.number

    def draw(self, name: str, status: int = 200, **facts: Any) -> HTMLResponse:
        """Return a page; names are escaped, so no name can break it."""
        return HTMLResponse(self.pages.get_template(name).render(facts).encode("utf-8", "replace"), status)

    def run(self, request: Request) -> Shelved:
        """Return the run of an address. Raises 404."""
        run = self.shelf.run(request.path_params["run"])
        if run is None:
            raise HTTPException(404, "There is no such run here. It may have been moved or removed.")
        return run

    def index(self, request: Request) -> Response:
        """Return the page of all runs."""
        query = request.query_params
        wanted = groups.Wanted(
            text=query.get("q", "").strip(),
            protocol=query.get("protocol", ""),
            model=query.get("model", ""),
            metric=query.get("metric", ""),
            sort=(query.getlist("sort") or [""])[-1],
            bounds=query.get("bounds", "shown") != "hidden",
        )
        runs = self.shelf.runs()
        known = [run.manifest for run in runs if run.manifest]
        return self.draw(
            "index.html.j2",
            up="",
            wanted=wanted,
            runs=runs,
            left_out=self.shelf.left_out,
            groups=groups.groups(runs, wanted),
            others=[run for run in runs if run.state != "complete" and wanted.has(run, None)],
            protocols=sorted({one.protocol.name for one in known}),
            models=sorted({label for one in known for label in one.labels}),
            metrics=sorted({metric.family for one in known for metric in one.measured}),
            picked=query.getlist("pick"),
        )

    def one(self, request: Request) -> Response:
        """Return the page of one run."""
        run = self.run(request)
        found, none = clips.clips(run)
        files = [name for name in (REPORT, INSPECTION) if kept(run.folder, name)]
        said = caveats.lines(run.manifest) if run.manifest else []
        return self.draw("run.html.j2", up="../../", run=run, clips=found, none=none, files=files, caveats=said)

    def clip(self, request: Request) -> Response:
        """Return the page of one clip of a run."""
        run = self.run(request)
        found, _ = clips.clips(run)
        number = request.path_params["number"]
        if run.table is None or not number < len(found):
            raise HTTPException(404, "There is no such clip in this run.")
        rows = clips.numbers(run, found[number].entry.clip)
        before, after = number - 1 if number else None, number + 1 if number + 1 < len(found) else None
        return self.draw(
            "clip.html.j2", up="../../../", run=run, clip=found[number], rows=rows, before=before, after=after
        )

    def comparison(self, request: Request) -> Response:
        """Return the comparison of two models of one run or of two."""
        picks = [pick.partition(":")[::2] for pick in request.query_params.getlist("pick")]
        if len(picks) != 2:
            raise UserError(f"Choose two rows to compare; {len(picks)} are chosen.", code="bad-value")
        by_id = {run.id: run for run in self.shelf.runs()}
        runs = [by_id.get(id_) for id_, _ in picks]
        if not all(run and run.state == "complete" for run in runs):
            raise HTTPException(404, "One of the runs is not here, or not finished.")
        a, b = (run for run in runs if run)
        files = [(run.folder, run.manifest and run.manifest.sha256) for run in (a, b)]
        stamp = repr((files, picks))
        with self._busy:  # one at a time: a comparison occupies a core for seconds
            if stamp not in self._compared:
                for run in (a, b):
                    assert isinstance(run.manifest, Complete)
                    kept_pictures.check(run.folder, run.manifest)
                other = None if a.folder == b.folder else b.folder
                found = compare(a.folder, other, [model for _, model in picks])
                self._compared[stamp] = comparison_page.page(found, a.folder, b.folder, _links(a, b))
                while len(self._compared) > COMPARED:
                    self._compared.popitem(last=False)
            drawn = self._compared[stamp]
        headers = {"content-security-policy": policies.of_reports()}
        return HTMLResponse(drawn.encode("utf-8", "replace"), headers=headers)

    def file(self, request: Request) -> Response:
        """Return a report, video or picture file of a run, unchanged."""
        file = kept(self.run(request).folder, request.path_params["file"])
        if file is None:
            raise HTTPException(404, "There is no such report, video or picture in this run.")
        kind = KINDS[file.suffix]
        headers = {"content-security-policy": policies.of_reports()} if file.suffix == ".html" else None
        return FileResponse(file, media_type=kind, headers=headers)

    def failed(self, error: BenchError) -> Response:
        """Return what cannot be shown, and why, without the folders of this machine."""
        text = str(error)
        for root in self.shelf.roots:
            text = text.replace(f"{root}/", "").replace(str(root), root.name)
        return self.draw("message.html.j2", 409, up="./", text=text)


def app(roots: Sequence[Path], hosts: Sequence[str] = LOOPBACK) -> Starlette:
    """Return the application. hosts: host names that requests may use; ``*``: any. Raises UserError."""
    viewer = Viewer(Shelf(roots))

    def on(of: Callable[[Request], Response]) -> Handler:
        async def handle(request: Request) -> Response:
            return await run_in_threadpool(of, request)

        return handle

    async def not_found(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        up = "../" * (request.url.path.count("/") - 1)
        return viewer.draw("message.html.j2", error.status_code, up=up or "./", text=error.detail)

    async def refused(_: Request, error: Exception) -> Response:
        assert isinstance(error, BenchError)
        return viewer.failed(error)

    routes = [
        Route("/", on(viewer.index)),
        Route("/view.css", _style),
        Route("/compare", on(viewer.comparison)),
        Route("/run/{run}", _with_slash),
        Route("/run/{run}/", on(viewer.one)),
        Route("/run/{run}/clip/{number:int}", on(viewer.clip)),
        Route("/run/{run}/{file:path}", on(viewer.file)),
    ]
    made = Starlette(routes=routes, exception_handlers={HTTPException: not_found, BenchError: refused})
    made.router.redirect_slashes = False
    made.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    made.add_middleware(Headers, policy=policies.OWN)
    return made


def _links(a: Shelved, b: Shelved) -> comparison_page.Links:
    """Return the links of a comparison: all runs, the two, and their clips' pages."""

    def of_clips(run: Shelved) -> dict[str, str]:
        return {clip.entry.clip: f"run/{run.id}/clip/{k}" for k, clip in enumerate(clips.clips(run)[0])}

    return comparison_page.Links(("./", "All runs"), (f"run/{a.id}/", f"run/{b.id}/"), (of_clips(a), of_clips(b)))


async def _style(_: Request) -> Response:
    return Response(page.draw("report.css", palette=plots.palettes()) + _own_style(), media_type="text/css")


def _own_style() -> str:
    return (Path(__file__).parent / "web" / "view.css").read_text("utf-8")


async def _with_slash(request: Request) -> Response:
    return RedirectResponse(f"/run/{quote(request.path_params['run'], safe='')}/")
