"""The summary table as Markdown, LaTeX and CSV."""

from __future__ import annotations

from reports import table
from reports.run import caveats
from reports.run.look import MARK, Look, caption, marks_note, undecided
from reports.run.view import FLOOR, FLOOR_NOTE, Cell, Column, ModelRow, SummaryTable, ranking_notes, summary_table
from reports.schema.manifest import Prepared
from reports.schema.summary import Row, Summary
from reports.table import latex_text, markdown_text

PLAIN = Look()


def markdown(summary: Summary, manifest: Prepared, look: Look = PLAIN) -> str:
    """Return a pipe table: best bold, second-best underlined, n and failures per cell, signatures in head and below."""
    view, marks = summary_table(summary, manifest), _marks(manifest)
    unsure = _unsure(summary, view, look)

    def cell(cell: Cell) -> str:
        mark = {"best": "**{}**", "second": "<u>{}</u>"}.get(cell.rank, "{}")
        dagger = MARK if (cell.row.model, cell.row.metric) in unsure else ""
        return f"{mark.format(cell.mean)}{dagger}{_after(cell.interval)} ({cell.note})"

    def head(column: Column) -> str:
        short = column.short if look.signatures else ""
        return f"{markdown_text(look.metric(column.metric))} {column.arrow} {markdown_text(short)}".rstrip()

    def model(row: ModelRow) -> str:
        name = markdown_text(look.model(row.model)) + (f" ({mark})" if (mark := marks.get(row.model)) else "")
        return f"*{name}*" if row.bound else name

    rows = [[model(row), *map(cell, row.cells)] for row in view.rows]
    if view.floors:
        rows.append(
            [f"*{FLOOR}*", *(f"{one.mean}{_after(one.interval)} (n {one.n})" if one else "–" for one in view.floors)]
        )
    above = caption(summary, manifest, look)
    lines = [*([f"*{markdown_text(above)}*", ""] if above else [])]
    lines += table.markdown(["model", *map(head, view.columns)], rows)
    if look.signatures:
        lines += ["", *(f"- `{column.metric.signature}`" for column in view.columns)]
    return "\n".join([*lines, "", *_notes(summary, manifest, view, look)]).rstrip() + "\n"


def latex(summary: Summary, manifest: Prepared, look: Look = PLAIN) -> str:
    """Return a booktabs ``tabular``: intervals below the means, short signatures in the head.

    Comments above it have full signatures, n and failures, even those that `look` leaves out of the table.
    """
    view, marks = summary_table(summary, manifest), _marks(manifest)
    unsure = _unsure(summary, view, look)

    def cell(cell: Cell) -> str:
        mark = {"best": r"\textbf{%s}", "second": r"\underline{%s}"}.get(cell.rank, "%s")
        above = r"\dagger" if (cell.row.model, cell.row.metric) in unsure else ""
        above += "*" if cell.row.failed else ""
        return mark % latex_text(cell.mean) + (f"$^{{{above}}}$" if above else "")

    def below(text: str | None) -> str:
        return rf"{{\tiny {latex_text(text)}}}" if text else ""

    def rows(bound: bool) -> list[list[str]]:
        drawn = []
        for row in view.rows:
            if row.bound == bound:
                drawn.append([latex_text(look.model(row.model)), *map(cell, row.cells)])
                intervals = [below(cell.interval) if look.intervals else "" for cell in row.cells]
                second = [below(marks.get(row.model)), *intervals]
                drawn += [second] if any(second) else []
        return drawn

    bounds = rows(True)
    if view.floors:
        bounds.append([FLOOR, *(latex_text(one.mean) if one else "--" for one in view.floors)])
        if look.intervals:
            bounds.append(["", *(below(one.interval) if one else "" for one in view.floors)])
    lines = [f"% {line}" for line in _notes(summary, manifest, view, look)]
    lines.append(r"% needs \usepackage{booktabs}")
    if look.intervals:
        lines.append(f"% below each mean: its {100 * summary.confidence:g} % interval")
    lines += [f"% {column.metric.signature}" for column in view.columns]
    lines += [
        f"% failed: {row.model}, {column.name}: {cell.note}".replace("\n", " ")
        for row in view.rows
        for column, cell in zip(view.columns, row.cells)
        if cell.row.failed
    ]
    heads = [["model", *(latex_text(f"{look.parts(column.metric)[0]} {column.arrow}") for column in view.columns)]]
    if any(which := [look.parts(column.metric)[1] for column in view.columns]):
        heads.append(["", *(rf"{{\tiny {latex_text(text)}}}" if text else "" for text in which)])
    if look.signatures:
        heads.append(["", *(rf"{{\tiny\ttfamily {latex_text(column.short)}}}" for column in view.columns)])
    drawn = table.latex(heads, rows(False), bounds)
    if look.width:
        drawn = table.latex_float(drawn, caption(summary, manifest, look), look.width)
    return "\n".join([*lines, *drawn, ""])


def csv_table(summary: Summary, manifest: Prepared) -> str:
    """Return one line per model and metric with every number of the summary at full precision, and the signature.

    The floor of a set metric has its own line.
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


def _after(interval: str) -> str:
    return f" {interval}" if interval else ""


def _marks(manifest: Prepared) -> dict[str, str | None]:
    return {model.name: caveats.weights_mark(model) for model in manifest.models}


def _unsure(summary: Summary, view: SummaryTable, look: Look) -> set[tuple[str, str]]:
    """Return model and metric of the cells with a dagger."""
    if not look.marks:
        return set()
    return {(model, column.name) for column in view.columns for model in undecided(summary, column.name)}


def _notes(summary: Summary, manifest: Prepared, view: SummaryTable, look: Look) -> list[str]:
    return [
        *caveats.lines(manifest),
        *ranking_notes(summary, manifest.unit),
        *([FLOOR_NOTE] if view.floors else []),
        *([marks_note(summary)] if look.marks else []),
    ]
