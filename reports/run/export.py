"""The summary table for other documents: Markdown, LaTeX and CSV."""

from __future__ import annotations

from collections.abc import Sequence

from reports import table
from reports.run import caveats
from reports.run.view import FLOOR, FLOOR_NOTE, Cell, Column, ModelRow, ranking_notes, summary_table
from reports.schema.manifest import Prepared
from reports.schema.summary import Row, Summary
from reports.table import latex_text, markdown_text


def only(summary: Summary, manifest: Prepared, names: Sequence[str]) -> tuple[Summary, Prepared]:
    """Leave out all metrics but those of these names or families."""
    chosen = {metric.name for metric in manifest.metrics if {metric.name, metric.family} & set(names)}
    manifest = manifest.but(metrics=tuple(metric for metric in manifest.metrics if metric.name in chosen))
    summary = summary.but(
        rows=tuple(row for row in summary.rows if row.metric in chosen),
        ranking={name: ranking for name, ranking in summary.ranking.items() if name in chosen},
        floors=tuple(floor for floor in summary.floors if floor.metric in chosen),
    )
    return summary, manifest


def markdown(summary: Summary, manifest: Prepared) -> str:
    """A pipe table: best bold, second-best underlined, n and failures in each cell, signatures in head and below."""
    view, marks = summary_table(summary, manifest), _marks(manifest)

    def cell(cell: Cell) -> str:
        mark = {"best": "**{}**", "second": "<u>{}</u>"}.get(cell.rank, "{}")
        return f"{mark.format(cell.mean)} {cell.interval} ({cell.note})"

    def head(column: Column) -> str:
        return f"{markdown_text(column.name)} {column.arrow} {markdown_text(column.short)}".rstrip()

    def model(row: ModelRow) -> str:
        name = markdown_text(row.model) + (f" ({mark})" if (mark := marks.get(row.model)) else "")
        return f"*{name}*" if row.bound else name

    rows = [[model(row), *map(cell, row.cells)] for row in view.rows]
    if view.floors:
        rows.append([f"*{FLOOR}*", *(f"{one.mean} {one.interval} (n {one.n})" if one else "–" for one in view.floors)])
    lines = table.markdown(["model", *map(head, view.columns)], rows)
    lines += ["", *(f"- `{column.metric.signature}`" for column in view.columns)]
    notes = [*caveats.lines(manifest), *ranking_notes(summary, manifest.unit), *([FLOOR_NOTE] if view.floors else [])]
    return "\n".join([*lines, "", *notes]).rstrip() + "\n"


def latex(summary: Summary, manifest: Prepared) -> str:
    """A ``tabular`` for the booktabs package: intervals below the means, short signatures in the head.

    Signatures, n and failures in full are comments above it.
    """
    view, marks = summary_table(summary, manifest), _marks(manifest)

    def cell(cell: Cell) -> str:
        mark = {"best": r"\textbf{%s}", "second": r"\underline{%s}"}.get(cell.rank, "%s")
        return mark % latex_text(cell.mean) + (r"\textsuperscript{*}" if cell.row.failed else "")

    def below(text: str | None) -> str:
        return rf"{{\tiny {latex_text(text)}}}" if text else ""

    def rows(bound: bool) -> list[list[str]]:
        drawn = []
        for row in view.rows:
            if row.bound == bound:
                drawn.append([latex_text(row.model), *map(cell, row.cells)])
                drawn.append([below(marks.get(row.model)), *(below(cell.interval) for cell in row.cells)])
        return drawn

    bounds = rows(True)
    if view.floors:
        bounds.append([FLOOR, *(latex_text(one.mean) if one else "--" for one in view.floors)])
        bounds.append(["", *(below(one.interval) if one else "" for one in view.floors)])
    notes = [*caveats.lines(manifest), *ranking_notes(summary, manifest.unit), *([FLOOR_NOTE] if view.floors else [])]
    lines = [f"% {line}" for line in notes]
    lines += [r"% needs \usepackage{booktabs}", f"% below each mean: its {100 * summary.confidence:g} % interval"]
    lines += [f"% {column.metric.signature}" for column in view.columns]
    lines += [
        f"% failed: {row.model}, {column.name}: {cell.note}".replace("\n", " ")
        for row in view.rows
        for column, cell in zip(view.columns, row.cells)
        if cell.row.failed
    ]
    heads = ["model", *(latex_text(f"{column.name} {column.arrow}") for column in view.columns)]
    shorts = ["", *(rf"{{\tiny\ttfamily {latex_text(column.short)}}}" for column in view.columns)]
    return "\n".join([*lines, *table.latex([heads, shorts], rows(False), bounds), ""])


def csv_table(summary: Summary, manifest: Prepared) -> str:
    """One line a model and metric with every number of the summary at full precision, and the signature.

    The floor of a metric of sets is a line of its own.
    """
    signatures = {metric.name: metric.signature for metric in manifest.metrics}
    marks = _marks(manifest)
    rows = [row.content() for row in summary.rows]
    for floor in summary.floors:
        ends = {"ci_low": floor.ci_low, "ci_high": floor.ci_high}
        rows.append({"model": FLOOR, "metric": floor.metric, "n": floor.n, "mean": floor.value, **ends})
    return table.csv_text(
        [*Row.model_fields, "weights", "signature"],
        ({**row, "weights": marks.get(str(row["model"])), "signature": signatures[str(row["metric"])]} for row in rows),
    )


def _marks(manifest: Prepared) -> dict[str, str | None]:
    return {model.name: caveats.weights_mark(model) for model in manifest.models}
