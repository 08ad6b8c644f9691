"""What all figures for papers have alike: font, widths, and how a figure becomes a file that says where it is from."""

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
# STIX comes with matplotlib and has the widths of Times; the others are for a viewer of SVG that lacks it
SERIFS = ("STIXGeneral", "Times New Roman", "Times", "Nimbus Roman", "Liberation Serif")
DISTRIBUTION = "talking-head-bench"


@dataclass(frozen=True)
class Origin:
    """What a figure's file says of itself. runs: name to fingerprint of the runs that it is drawn from.

    command: as it was typed. caption: what the figure shows, in plain words.
    """

    title: str
    runs: Mapping[str, str]
    command: str
    caption: str

    @property
    def program(self) -> str:
        """Name and version of this program."""
        try:
            return f"{DISTRIBUTION} {metadata.version(DISTRIBUTION)}"
        except metadata.PackageNotFoundError:
            return f"{DISTRIBUTION}, not installed"

    def metadata(self, format: Format) -> dict[str, Any]:
        """The metadata of a file: the PDF's Info, a PNG's text chunks, the SVG's Dublin Core. Without a date."""
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
    """Settings of matplotlib under which a figure is drawn and saved: text stays text in PDF and SVG."""
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
    """Write a figure, and its caption as text beside it; returns the caption's file. Raises OSError.

    The caller has the `settings` of the figure in force.
    """
    if figure.canvas is None or not isinstance(figure.canvas, FigureCanvasAgg):
        FigureCanvasAgg(figure)
    with files.named(out), files.replacing(out) as temporary:
        figure.savefig(temporary, format=format, dpi=figure.dpi, metadata=origin.metadata(format))
    caption = out.with_name(out.name + ".txt")
    with files.named(caption), files.replacing(caption) as temporary:
        temporary.write_text(f"{origin.caption}\n\nDrawn by {origin.program}: {origin.command}\n", encoding="utf-8")
    return caption
