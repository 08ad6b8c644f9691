"""A comparison of two runs as Markdown, LaTeX and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reports import table
from reports.comparison.view import clear, columns, family, head, notes, refusals
from reports.run.look import AUTO, Look
from reports.run.view import Column, interval, number, p_value
from reports.schema.comparison import Compared, Duel, RunComparison, SetsCompared
from reports.table import latex_text, markdown_text

FIELDS = (
    *("a", "b", "metric", "n", "n_a", "n_b", "mean_a", "mean_b", "difference", "ci_low", "ci_high", "better"),
    *("win_rate", "effect_size", "p", "p_holm", "p_smallest", "family", "failed_a", "failed_b", "signature"),
)


def only(comparison: RunComparison, names: Sequence[str]) -> RunComparison:
    """Return the comparison with only the metrics of these names or families."""
    kept = {metric.name for metric in comparison.metrics if {metric.name, metric.family} & set(names)}
    duels = tuple(
        duel.but(
            comparisons=tuple(entry for entry in duel.comparisons if entry.metric in kept),
            sets=tuple(entry for entry in duel.sets if entry.metric in kept),
        )
        for duel in comparison.duels
    )
    metrics = tuple(metric for metric in comparison.metrics if metric.name in kept)
    return comparison.but(metrics=metrics, duels=duels)


def markdown(comparison: RunComparison, look: Look) -> str:
    """Return a pipe table for each pair of models; differences whose interval excludes zero are bold."""
    lines = [*([f"*{markdown_text(above)}*", ""] if (above := caption(comparison, look)) else [])]
    for duel in comparison.duels:
        heads = ["metric", *map(markdown_text, _names(duel, look)), "A − B", "95 %", "p (Holm)", "n"]
        rows = [
            [markdown_text(_metric(column, look)), *cells[:2], f"**{cells[2]}**" if bold else cells[2], *cells[3:]]
            for column, cells, bold in _rows(comparison, duel)
        ]
        lines += [*table.markdown(heads, rows), ""]
    if look.signatures:
        lines += [*(f"- `{metric.signature}`" for metric in comparison.metrics), ""]
    return "\n".join([*lines, *_said(comparison)]).rstrip() + "\n"


def latex(comparison: RunComparison, look: Look) -> str:
    """Return a booktabs ``tabular`` with a block of rows for each pair of models; notes are comments above it."""
    several = len(comparison.duels) > 1
    names = ("A", "B") if several else _names(comparison.duels[0], look)
    heads = ["metric", *map(latex_text, names), "A $-$ B", r"95 \%", "$p$", "$n$"]
    blocks = []
    for duel in comparison.duels:
        a, b = map(latex_text, _names(duel, look))
        rows = [[rf"\multicolumn{{{len(heads)}}}{{l}}{{A {a}, B {b}}}"]] if several else []
        for column, cells, bold in _rows(comparison, duel):
            shown = [latex_text(cell) for cell in cells]
            shown[2] = rf"\textbf{{{shown[2]}}}" if bold else shown[2]
            rows.append([latex_text(_metric(column, look)), *shown])
        blocks.append(rows)
    drawn = table.latex([heads], *blocks)
    if look.width:
        drawn = table.latex_float(drawn, caption(comparison, look), look.width)
    signatures = [f"% {metric.signature}" for metric in comparison.metrics]
    return "\n".join(
        [*(f"% {line}" for line in _said(comparison)), r"% needs \usepackage{booktabs}", *signatures, *drawn, ""]
    )


def csv_table(comparison: RunComparison) -> str:
    """Return one line per pair of models and metric, with every number at full precision."""
    shown = columns(comparison)
    rows = []
    for duel in comparison.duels:
        entries: list[Compared | SetsCompared] = [*duel.comparisons, *duel.sets]
        for entry in entries:
            own: dict[str, Any] = {**entry.content()}
            if isinstance(entry, SetsCompared):
                own |= {"mean_a": entry.value_a, "mean_b": entry.value_b}
            names = {"a": duel.label_a, "b": duel.label_b, "signature": shown[entry.metric].metric.signature}
            rows.append(own | names)
    return table.csv_text(FIELDS, rows)


def caption(comparison: RunComparison, look: Look) -> str | None:
    """Return the caption: as given, or the facts that a reader needs about these numbers."""
    if look.caption != AUTO:
        return look.caption
    said = [f"{line}." for line in head(comparison)]
    said.append("Intervals: 95 %; bold if they exclude zero.")
    said.append(f"p: signs flipped by identity, Holm-adjusted over {family(comparison)}.")
    return " ".join(said)


def _rows(comparison: RunComparison, duel: Duel) -> list[tuple[Column, list[str], bool]]:
    """Return per metric: the means of A and B, their difference, its interval, p and n; whether zero is excluded."""
    shown, found = columns(comparison), []
    for entry in duel.comparisons:
        column = shown[entry.metric]
        means = entry.mean_a, entry.mean_b
        found.append((column, _cells(column, means, entry, p_value(entry.p_holm), str(entry.n)), clear(entry)))
    for of_sets in duel.sets:
        column = shown[of_sets.metric]
        n = f"{of_sets.n_a}" if of_sets.n_a == of_sets.n_b else f"{of_sets.n_a}, {of_sets.n_b}"
        means = of_sets.value_a, of_sets.value_b
        found.append((column, _cells(column, means, of_sets, "–", n), clear(of_sets)))
    return found


def _cells(
    column: Column, means: tuple[float | None, float | None], entry: Compared | SetsCompared, p: str, n: str
) -> list[str]:
    digits = column.decimals
    ends = interval(entry.ci_low, entry.ci_high, digits, True)
    return [*(number(mean, digits) for mean in means), number(entry.difference, digits, True), ends, p, n]


def _metric(column: Column, look: Look) -> str:
    short = f" {column.short}" if look.signatures and column.short else ""
    return f"{look.metric(column.metric)} {column.arrow}{short}"


def _names(duel: Duel, look: Look) -> tuple[str, str]:
    return duel.label_a.replace(duel.a, look.model(duel.a)), duel.label_b.replace(duel.b, look.model(duel.b))


def _said(comparison: RunComparison) -> list[str]:
    refused = [f"not compared: {line}" for line in refusals(comparison)]
    return [*head(comparison), *notes(comparison), *refused]
