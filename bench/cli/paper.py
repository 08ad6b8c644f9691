"""Options for tables in papers, shared by `report` and `compare`."""

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
    str | None, typer.Option(help="Rows: model labels, comma-separated; bounds only if named. Default: all.")
]
Metrics = Annotated[
    str | None, typer.Option(help="Columns: metrics or families of metrics, comma-separated. Default: all.")
]
Names = Annotated[str, typer.Option(help="labels (names as in the run) or paper (MCNet, AKD (dlib)).")]
NoSignatures = Annotated[bool, typer.Option("--no-signatures", help="Leave the short signatures out of the table.")]
Caption = Annotated[
    str | None, typer.Option(help="Caption above the table; `auto` says how the numbers were measured.")
]
Width = Annotated[
    str | None,
    typer.Option(help="LaTeX table as wide as a column (without intervals) or the text; default: a tabular only."),
]
Marks = Annotated[
    bool,
    typer.Option("--marks", help="Mark with a dagger what does not differ significantly from the best of its column."),
]
Out = Annotated[Path | None, typer.Option(help="File for the table; default: print it.")]


@dataclass(frozen=True)
class TableOptions:
    """The options for a table's appearance, as given."""

    names: str = "labels"
    no_signatures: bool = False
    caption: str | None = None
    width: str | None = None
    marks: bool = False

    @property
    def any(self) -> bool:
        """Return whether an option differs from its default."""
        return self != TableOptions()

    def look(self, titles: Callable[[], Mapping[str, str]]) -> Look:
        """Convert to the writers' settings. titles: returns titles of models; called only for names of a paper."""
        from reports.run.look import Look

        paper = self.names == "paper"
        width: Literal["column", "text"] | None = None if self.width is None else WIDTHS[self.width]
        return Look(titles() if paper else {}, paper, not self.no_signatures, self.caption, width, self.marks)


def check(format: str, options: TableOptions) -> None:
    """Raise UserError for unknown values, and for options that the format does not use."""
    chosen = [("--format", format, FORMATS), ("--names", options.names, NAMES)]
    for option, value, known in [*chosen, *([("--width", options.width, WIDTHS)] if options.width else [])]:
        if value not in known:
            raise UserError(f"{option} {value}: choose one of {', '.join(known)}", code="unknown-choice")
    if options.width and format != "latex":
        raise UserError("--width needs --format latex", code="unused-option")
    if options.caption and format == "latex" and not options.width:
        raise UserError("--caption in LaTeX needs --width: a tabular alone has no caption", code="missing-option")
    if format == "csv" and options.any:
        raise UserError(
            "--names, --no-signatures, --caption and --marks have no effect on csv: remove them",
            code="unused-option",
        )


def run_table(run: Path, format: str, options: TableOptions, models: str | None, metrics: str | None) -> str:
    """Return the table of a finished run as text. Raises UserError."""
    from bench.run import paper_table
    from bench.rundir.directory import RunDirectory, readable
    from reports.run import export

    check(format, options)
    directory = RunDirectory(run)
    with readable(run):
        whole, _ = directory.finished()
        summary, manifest = directory.summary(whole), cast("Prepared", whole)
        if models or metrics:
            rows = [name.strip() for name in models.split(",")] if models else []
            summary, manifest = paper_table.only(summary, manifest, _names(metrics), rows)
        if format == "csv":
            return export.csv_table(summary, manifest)
        look = options.look(lambda: paper_table.titles(manifest.models))
        return (export.latex if format == "latex" else export.markdown)(summary, manifest, look)


def comparison(
    found: RunComparison, runs: Sequence[Path], format: str, options: TableOptions, metrics: str | None
) -> str:
    """Return the table of a comparison of finished runs as text. Raises UserError."""
    from bench.run import paper_table
    from bench.rundir.directory import RunDirectory
    from reports.comparison import export

    if metrics:
        paper_table.chosen_metrics(found.metrics, _names(metrics))
        found = export.only(found, _names(metrics))
    if format == "csv":
        return export.csv_table(found)
    look = options.look(
        lambda: paper_table.titles([one for run in runs for one in RunDirectory(run).complete().models])
    )
    return (export.latex if format == "latex" else export.markdown)(found, look)


def _names(metrics: str | None) -> list[str]:
    return split_names(metrics.lower()) if metrics else []
