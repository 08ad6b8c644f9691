"""Options of tables for a paper, once: of `report` and of `compare`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

from baselines.spec import split_names
from bench.runtime.errors import UserError

if TYPE_CHECKING:
    from reports.run.look import Look
    from reports.schema.comparison import RunComparison
    from reports.schema.manifest import Prepared

FORMATS = ("md", "latex", "csv")
NAMES = ("labels", "paper")
WIDTHS: dict[str, Literal["column", "text"]] = {"column": "column", "text": "text"}

Models = Annotated[
    str | None, typer.Option(help="Comma-separated labels; the table's rows, a bound only where named. Default: all.")
]
Metrics = Annotated[
    str | None, typer.Option(help="Comma-separated; the table's columns, by name or family. Default: all.")
]
Names = Annotated[str, typer.Option(help="labels: as in the run. paper: MCNet, AKD (dlib).")]
NoSignatures = Annotated[bool, typer.Option("--no-signatures", help="No short signatures in the table.")]
Caption = Annotated[
    str | None, typer.Option(help="Text above the table; `auto`: what a reader must know of the numbers.")
]
Width = Annotated[
    str | None,
    typer.Option(help="column or text: a LaTeX table that fits it, in a column without intervals. Default: a tabular."),
]
Marks = Annotated[bool, typer.Option("--marks", help="A dagger at what is not told apart from the best of its column.")]
Out = Annotated[Path | None, typer.Option(help="File for the table; default: standard output.")]


@dataclass(frozen=True)
class Asked:
    """The options of how a table looks, as given."""

    names: str = "labels"
    no_signatures: bool = False
    caption: str | None = None
    width: str | None = None
    marks: bool = False

    @property
    def any(self) -> bool:
        """Whether anything but the default is asked for."""
        return self != Asked()

    def look(self, titles: Callable[[], Mapping[str, str]]) -> Look:
        """The same for the writers. titles: of models, asked where names are a paper's."""
        from reports.run.look import Look

        paper = self.names == "paper"
        width: Literal["column", "text"] | None = None if self.width is None else WIDTHS[self.width]
        return Look(titles() if paper else {}, paper, not self.no_signatures, self.caption, width, self.marks)


def check(format: str, asked: Asked) -> None:
    """Refuse options that do not go with the format, and unknown values. Raises UserError."""
    chosen = [("--format", format, FORMATS), ("--names", asked.names, NAMES)]
    for option, value, known in [*chosen, *([("--width", asked.width, WIDTHS)] if asked.width else [])]:
        if value not in known:
            raise UserError(f"{option} {value}: choose one of {', '.join(known)}", code="unknown-choice")
    if asked.width and format != "latex":
        raise UserError("--width is for --format latex", code="unused-option")
    if asked.caption and format == "latex" and not asked.width:
        raise UserError("--caption in LaTeX needs --width: a tabular alone has no caption", code="missing-option")
    if format == "csv" and asked.any:
        raise UserError(
            "--names, --no-signatures, --caption and --marks are not for csv, which has names and numbers as they are",
            code="unused-option",
        )


def run_table(run: Path, format: str, asked: Asked, models: str | None, metrics: str | None) -> str:
    """The table of a finished run as text. Raises UserError."""
    from bench.run import paper_table
    from bench.rundir.directory import RunDirectory, readable
    from reports.run import export

    check(format, asked)
    directory = RunDirectory(run)
    with readable(run):
        whole, _ = directory.finished()
        summary, manifest = directory.summary(whole), cast("Prepared", whole)
        if models or metrics:
            rows = [name.strip() for name in models.split(",")] if models else []
            summary, manifest = paper_table.only(summary, manifest, _names(metrics), rows)
        if format == "csv":
            return export.csv_table(summary, manifest)
        look = asked.look(lambda: paper_table.titles(manifest.models))
        return (export.latex if format == "latex" else export.markdown)(summary, manifest, look)


def comparison(found: RunComparison, runs: Sequence[Path], format: str, asked: Asked, metrics: str | None) -> str:
    """The table of a comparison of finished runs as text. Raises UserError."""
    from bench.run import paper_table
    from bench.rundir.directory import RunDirectory
    from reports.comparison import export

    if metrics:
        paper_table.chosen_metrics(found.metrics, _names(metrics))
        found = export.only(found, _names(metrics))
    if format == "csv":
        return export.csv_table(found)
    look = asked.look(lambda: paper_table.titles([one for run in runs for one in RunDirectory(run).complete().models]))
    return (export.latex if format == "latex" else export.markdown)(found, look)


def _names(metrics: str | None) -> list[str]:
    return split_names(metrics.lower()) if metrics else []
