"""A page with pictures of what networks computed."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import matplotlib
from markupsafe import Markup
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from protocols.names import safe_name
from reports.inspection import memories
from reports.inspection.figures import SETTINGS, Inspection, figures
from reports.inspection.keys import Key, keys
from reports.inspection.memories import MemoriesSeen
from reports.run import page as pages
from reports.run.plots import themed

DPI = 100
READABLE = 66  # pixels an inch at which a figure's words can be read

CAPTIONS = {
    "motion": "Keypoints in both frames; the flow, where color is the direction that a pixel's content moves in and "
    "full color a movement of 15 % of the side; the source moved by the flow alone; which motion has the largest "
    "share where (black: the background's); the occlusion maps, black where the network does not trust the source.",
    "scale": "The driving frame, the same rectified to the source's scale, what it was before it was squeezed (where "
    "it was), the source, and the result.",
    "stitching": "The keypoints that the driving face asks for, and those that the network got after stitching moved "
    "them so that the shoulders stay in place; the source's own beside them.",
    "directions": "The source moved along one direction of the dictionary at a time, by 3 back and forth from its own "
    "pose, as the released manipulation script does.",
    "references": "Source and driving frame without any motion: the pose that magnitudes count from. The paper finds "
    "it to be one pose for all, which a trained network shows.",
    "memory": "Channels of the meta memory, those that vary most first, each stretched to its own range.",
    "conditioned": "The same channels of the memory after it was conditioned on this source, level by level.",
    "read": "Who asks and what is read: the spots in the result; for each level and spot how much it reads of each "
    "cell of the memory (each stretched to its own range); how much the memory changed the feature.",
}


@dataclass(frozen=True)
class Picture:
    """A figure for the page. width: in pixels at which its words can be read."""

    name: str
    svg: Markup
    width: int
    caption: str
    keys: list[Key]


@dataclass(frozen=True)
class Section:
    """What was seen of one network for one pair. source, driving: which frames, empty where unknown."""

    title: str
    mode: str
    source: str
    driving: str
    pictures: list[Picture]


def write(
    inspections: Sequence[Inspection | MemoriesSeen], out: Path, notes: Sequence[str] = (), report: str | None = None
) -> Path:
    """PNG pictures ``<model>[_<pair>]_<what>.png`` and ``inspect.html`` with all of them; returns the page's path.

    On the page they take its colors, so they are no white slabs in dark mode. notes: lines to be said above the
    pictures. report: address of the run's report, from the page.
    """
    out.mkdir(parents=True, exist_ok=True)
    shown = [_section(inspection, out) for inspection in inspections]
    drawn = pages.draw(
        "inspect.html.j2",
        sections=[(f"network-{number}", one.title) for number, one in enumerate(shown, 1)],
        digest=pages.digest_of([asdict(one) for one in shown]),
        up=(report, "Report") if report else None,
        shown=shown,
        notes=notes,
    )
    page = out / "inspect.html"
    page.write_text(drawn, encoding="utf-8")
    return page


def _section(inspection: Inspection | MemoriesSeen, out: Path) -> Section:
    title = f"{inspection.model}, pair {inspection.pair}" if inspection.pair else inspection.model
    stem = safe_name("_".join(filter(None, (inspection.model, inspection.pair))))
    explained, pictures = keys(inspection), []
    for name, figure in _figures(inspection).items():
        FigureCanvasAgg(figure)
        figure.savefig(out / f"{stem}_{name}.png", dpi=DPI, metadata={"Software": None})
        caption = (CAPTIONS | memories.CAPTIONS)[name]
        width = round(figure.get_figwidth() * READABLE)
        pictures.append(Picture(name, Markup(svg(figure)), width, caption, explained.get(name, [])))
    return Section(title, inspection.mode, inspection.source_from, inspection.driving_from, pictures)


def svg(figure: Figure) -> str:
    """A figure as an ``<svg>`` element in the page's colors, on no ground of its own."""
    stream = io.StringIO()
    with matplotlib.rc_context(SETTINGS):
        figure.savefig(stream, format="svg", dpi=DPI, transparent=True, metadata={"Date": None, "Creator": None})
    return themed(stream.getvalue())


def _figures(inspection: Inspection | MemoriesSeen) -> dict[str, Figure]:
    return memories.figures(inspection) if isinstance(inspection, MemoriesSeen) else figures(inspection)
