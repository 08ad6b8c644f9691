"""The summary table for other documents: Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io

from reports.run import caveats
from reports.run.view import Cell, Column, ranking_notes, summary_table
from reports.schema.manifest import Prepared
from reports.schema.summary import Row, Summary

LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
MARKDOWN = str.maketrans({character: f"\\{character}" for character in "\\|*_`<>[]#"})


def markdown(summary: Summary, manifest: Prepared) -> str:
    """A pipe table: best bold, second-best underlined, n and failures in each cell, signatures in head and below."""
    view = summary_table(summary, manifest)

    def cell(cell: Cell) -> str:
        mark = {"best": "**{}**", "second": "<u>{}</u>"}.get(cell.rank, "{}")
        return f"{mark.format(cell.mean)} {cell.interval} ({cell.note})"

    def head(column: Column) -> str:
        return f"{column.name.translate(MARKDOWN)} {column.arrow} {column.short.translate(MARKDOWN)}".rstrip()

    heads = [head(column) for column in view.columns]
    lines = [f"| model | {' | '.join(heads)} |", "| --- |" + " ---: |" * len(heads)]
    marks = _marks(manifest)
    for row in view.rows:
        name = row.model.translate(MARKDOWN) + (f" ({marks[row.model]})" if marks.get(row.model) else "")
        lines.append(f"| {f'*{name}*' if row.bound else name} | " + " | ".join(map(cell, row.cells)) + " |")
    lines += ["", *(f"- `{column.metric.signature}`" for column in view.columns)]
    return "\n".join([*lines, "", *caveats.lines(manifest), *ranking_notes(summary)]).rstrip() + "\n"


def latex(summary: Summary, manifest: Prepared) -> str:
    """A ``tabular`` for the booktabs package: intervals below the means, short signatures in the head.

    Signatures, n and failures in full are comments above it.
    """
    view = summary_table(summary, manifest)

    def head(column: Column) -> str:
        arrow = r"\uparrow" if column.metric.higher_is_better else r"\downarrow"
        return f"{_tex(column.name)} ${arrow}$"

    def cell(cell: Cell) -> str:
        mean = _number(cell.mean)
        mark = {"best": r"\textbf{%s}", "second": r"\underline{%s}"}.get(cell.rank, "%s")
        return mark % mean + (r"\textsuperscript{*}" if cell.row.failed else "")

    def interval(cell: Cell) -> str:
        return rf"{{\tiny {_number(cell.interval)}}}" if cell.interval else ""

    lines = [f"% {line}" for line in [*caveats.lines(manifest), *ranking_notes(summary)]]
    lines += [f"% below each mean: its {100 * summary.confidence:g} % interval"]
    lines += [f"% {column.metric.signature}" for column in view.columns]
    lines += [
        f"% failed: {row.model}, {column.name}: {cell.note}".replace("\n", " ")
        for row in view.rows
        for column, cell in zip(view.columns, row.cells)
        if cell.row.failed
    ]
    lines += [rf"\begin{{tabular}}{{l{'r' * len(view.columns)}}}", r"\toprule"]
    lines += [" & ".join(["model", *map(head, view.columns)]) + r" \\"]
    lines += [" & ".join(["", *(rf"{{\tiny\ttfamily {_tex(column.short)}}}" for column in view.columns)]) + r" \\"]
    lines += [r"\midrule"]
    marks = _marks(manifest)
    for position, row in enumerate(view.rows):
        if row.bound and position and not view.rows[position - 1].bound:
            lines.append(r"\midrule")
        lines.append(" & ".join([_tex(row.model), *map(cell, row.cells)]) + r" \\")
        marked = marks.get(row.model)
        mark = rf"{{\tiny {_tex(marked)}}}" if marked else ""
        lines.append(" & ".join([mark, *map(interval, row.cells)]) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def csv_table(summary: Summary, manifest: Prepared) -> str:
    """One line a model and metric with every number of the summary at full precision, and the signature."""
    signatures = {metric.name: metric.signature for metric in manifest.metrics}
    stream = io.StringIO()
    marks = _marks(manifest)
    fields = [*Row.model_fields, "weights", "signature"]
    writer = csv.DictWriter(stream, fields, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {**row.content(), "weights": marks.get(row.model), "signature": signatures[row.metric]} for row in summary.rows
    )
    return stream.getvalue()


def _marks(manifest: Prepared) -> dict[str, str | None]:
    return {model.name: caveats.weights_mark(model) for model in manifest.models}


def _number(text: str) -> str:
    return text.replace("−", "$-$").replace("∞", r"$\infty$").replace("–", "--")


def _tex(text: str) -> str:
    return "".join(LATEX.get(character, character) for character in text)
