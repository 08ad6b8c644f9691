"""A page with pictures of networks' intermediate results."""

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
READABLE = 66  # pixels per inch at which a figure's text is readable

CAPTIONS = {
    "motion": "Keypoints in both frames; the flow (hue: direction of motion; full color: 15 % of the side or more); "
    "the source warped by the flow alone; the motion with the largest share at each position (black: background); the "
    "occlusion maps (black: the source is not used).",
    "scale": "The driving frame, the same rectified to the source's scale, the driving frame before it was squeezed "
    "(if it was), the source, and the result.",
    "stitching": "The keypoints of the source, the driving keypoints before stitching, and those after stitching, "
    "which moves them so that the shoulders stay in place.",
    "directions": "The source moved along one direction of the dictionary at a time, by 3 back and forth from its own "
    "pose, like the released manipulation script.",
    "references": "Source and driving frame without any motion, in the reference pose of the magnitudes. In the paper "
    "this is one pose for all faces; a trained network shows it.",
    "memory": "Channels of the meta memory, those with the largest variance first, each scaled to its own range.",
    "conditioned": "The same channels of the memory, conditioned on this source, level by level.",
    "read": "Attention to the memory: the query positions in the result; for each level and position the weights of "
    "the memory's cells (each scaled to its own range); how much the memory changed the feature.",
}


@dataclass(frozen=True)
class Picture:
    """A figure for the page. width: in pixels, so that its text is readable."""

    name: str
    svg: Markup
    width: int
    caption: str
    keys: list[Key]


@dataclass(frozen=True)
class Section:
    """The figures of one network for one pair. source, driving: which frames, empty if unknown."""

    title: str
    mode: str
    source: str
    driving: str
    pictures: list[Picture]


def write(
    inspections: Sequence[Inspection | MemoriesSeen], out: Path, notes: Sequence[str] = (), report: str | None = None
) -> Path:
    """Write PNG pictures ``<model>[_<pair>]_<what>.png`` and ``inspect.html`` with all of them; return its path.

    On the page the pictures use its colors, also in dark mode. notes: lines above the pictures. report: path of the
    run's report, relative to the page.
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
    """Return a figure as an ``<svg>`` element in the page's colors, without a background."""
    stream = io.StringIO()
    with matplotlib.rc_context(SETTINGS):
        figure.savefig(stream, format="svg", dpi=DPI, transparent=True, metadata={"Date": None, "Creator": None})
    return themed(stream.getvalue())


def _figures(inspection: Inspection | MemoriesSeen) -> dict[str, Figure]:
    return memories.figures(inspection) if isinstance(inspection, MemoriesSeen) else figures(inspection)
