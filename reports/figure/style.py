"""Shared style of figures for papers: font, widths, and files with metadata on their origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from protocols import files

Format = Literal["pdf", "png", "svg"]
FORMATS: tuple[Format, ...] = ("pdf", "png", "svg")
WIDTHS = {"column": 3.25, "text": 6.875}  # inches, of the two-column layout of CVPR and ICCV
# STIX comes with matplotlib and has the widths of Times; the others are for SVG viewers without it
SERIFS = ("STIXGeneral", "Times New Roman", "Times", "Nimbus Roman", "Liberation Serif")
DISTRIBUTION = "talking-head-bench"


@dataclass(frozen=True)
class Origin:
    """The origin of a figure, for its file. runs: name → fingerprint of the runs that it is made from.

    command: as typed. caption: what the figure shows.
    """

    title: str
    runs: Mapping[str, str]
    command: str
    caption: str

    @property
    def program(self) -> str:
        """Return name and version of this program."""
        try:
            return f"{DISTRIBUTION} {metadata.version(DISTRIBUTION)}"
        except metadata.PackageNotFoundError:
            return f"{DISTRIBUTION}, not installed"

    def metadata(self, format: Format) -> dict[str, Any]:
        """Return a file's metadata: the PDF's Info, a PNG's text chunks, the SVG's Dublin Core. It has no date."""
        runs = "; ".join(f"run {name}, fingerprint {fingerprint}" for name, fingerprint in self.runs.items())
        runs = runs or "no run"
        if format == "pdf":
            about = {"Title": self.title, "Creator": self.program, "Subject": runs, "Keywords": self.command}
            return {**about, "CreationDate": None, "Producer": None}
        if format == "svg":
            about = {"Title": self.title, "Creator": self.program, "Source": runs, "Description": self.command}
            return {**about, "Date": None}
        about = {"Title": self.title, "Software": self.program, "Source": runs, "Command": self.command}
        return {**about, "Description": self.caption}


def settings(points: float) -> dict[Any, Any]:
    """Return the matplotlib settings for drawing and saving a figure: text stays text in PDF and SVG."""
    return {
        "font.family": "serif",
        "font.serif": list(SERIFS),
        "mathtext.fontset": "stix",
        "font.size": points,
        "axes.titlesize": points,
        "axes.labelsize": points,
        "xtick.labelsize": points - 1,
        "ytick.labelsize": points - 1,
        "legend.fontsize": points - 1,
        "axes.linewidth": 0.6,
        "text.parse_math": False,
        "pdf.fonttype": 42,
        "svg.fonttype": "none",
        "svg.hashsalt": "figure",
    }


def save(figure: Figure, out: Path, format: Format, origin: Origin) -> Path:
    """Write a figure, and its caption as a text file next to it; return that file. Raises OSError.

    Call it with the figure's `settings` active.
    """
    if figure.canvas is None or not isinstance(figure.canvas, FigureCanvasAgg):
        FigureCanvasAgg(figure)
    with files.named(out), files.replacing(out) as temporary:
        figure.savefig(temporary, format=format, dpi=figure.dpi, metadata=origin.metadata(format))
    caption = out.with_name(out.name + ".txt")
    with files.named(caption), files.replacing(caption) as temporary:
        temporary.write_text(f"{origin.caption}\n\nMade by {origin.program}: {origin.command}\n", encoding="utf-8")
    return caption
