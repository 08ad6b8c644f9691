"""A comparison of two runs, or of two models of one run, for the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from rich import box
from rich.console import Group as Parts
from rich.console import RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from protocols.words import counted
from reports.run.verdict import CLEAR, smallest_p
from reports.run.view import Column, interval, number, p_value
from reports.schema.comparison import Compared, Duel, Group, RunComparison, SetsCompared

MANY = 6  # groups of a grouping that the terminal shows; the page shows all


def view(comparison: RunComparison) -> Parts:
    """Return what is compared, a table for each pair of models with groups of pairs below, and notes."""
    parts: list[RenderableType] = [Text(line) for line in head(comparison)]
    for duel in comparison.duels:
        parts += [_duel(comparison, duel), *(_grouping(comparison, duel, name) for name in grouping_names(duel))]
    parts += [Text(line, style="dim") for line in notes(comparison)]
    parts += [Text(f"not compared: {line}", style="yellow") for line in refusals(comparison)]
    return Parts(*parts)


def columns(comparison: RunComparison) -> dict[str, Column]:
    """Return the metrics by name, as columns of a table."""
    return {metric.name: Column(metric) for metric in comparison.metrics}


def head(comparison: RunComparison) -> list[str]:
    """Return what is compared, and on how many pairs or clips."""
    pairs = comparison.pairs
    runs = comparison.a if comparison.a == comparison.b else f"{comparison.a} and {comparison.b}"
    lines = [f"{comparison.title}: {runs}, A − B on {counted(pairs.common, f'common {comparison.unit}')}"]
    if pairs.subset:
        lines.append(f"SUBSET: A has {pairs.a} {comparison.unit}s, B has {pairs.b}; only common ones are compared")
    return lines


def family(comparison: RunComparison) -> str:
    """Return in words the comparisons over which p is Holm-adjusted."""
    size = max((entry.family for duel in comparison.duels for entry in duel.comparisons), default=0)
    if comparison.family == "run":
        return f"the {counted(size, 'comparison')} of the run on each metric, as in its report"
    return f"the {counted(size, 'comparison')} here on each metric; a run's report adjusts over its own comparisons"


def notes(comparison: RunComparison) -> list[str]:
    """Return the notes on the numbers."""
    lines = [
        f"intervals: 95 %, {comparison.n_resamples} resamples by identity, video and {comparison.unit}, "
        f"seed {comparison.seed}; p: randomization test over identities, Holm-adjusted over {family(comparison)}",
        "effect: mean difference divided by the standard deviation of the differences; "
        f"wins: share of {comparison.unit}s, a tie counts half; tie: Holm-adjusted p of {CLEAR} or more",
        *comparison.notices,
    ]
    if any(duel.sets for duel in comparison.duels):
        lines.append(
            "set metrics: one number per model, its interval over identities, no p-value; "
            "tie: the interval includes 0; n counts features"
        )
    lines += [f"also different: {change}" for change in comparison.changes]
    for duel in comparison.duels:
        lines += [f"{duel.label_a} and {duel.label_b}: {change}" for change in duel.changes]
    return lines


def refusals(comparison: RunComparison) -> list[str]:
    """Return the metrics that are not compared, with the reason."""
    return [f"{entry.metric}: {entry.why}" for entry in comparison.refused]


def grouping_names(duel: Duel) -> list[str]:
    """Return the groupings of a duel in order."""
    return list(dict.fromkeys(entry.grouping for entry in duel.groups))


def clear(entry: Compared | Group | SetsCompared) -> bool:
    """Return whether the interval excludes zero."""
    low, high = entry.ci_low, entry.ci_high
    return low is not None and high is not None and (low > 0 or high < 0)


def favors(column: Column, difference: float | None) -> str:
    """Return the better side by a difference A − B: ``a``, ``b`` or empty."""
    if not difference:
        return ""
    return "a" if (difference > 0) == column.metric.higher_is_better else "b"


def verdict(column: Column, entry: Compared | SetsCompared) -> str:
    """Return the better side, ``a`` or ``b``; ``tie`` where the difference may be chance; "" without a difference.

    Chance: Holm-adjusted p of at least `CLEAR`; for set metrics, which have no p, an interval that includes zero.
    """
    if entry.difference is None:
        return ""
    sure = entry.p_holm < CLEAR if isinstance(entry, Compared) else clear(entry)
    return favors(column, entry.difference) if sure and entry.difference else "tie"


@dataclass(frozen=True)
class Tally:
    """The number of metrics, of `of`, on which each side has the better value, and on which `verdict` says so."""

    a: int
    b: int
    clear_a: int
    clear_b: int
    of: int


def too_few(duel: Duel) -> float | None:
    """Return the smallest Holm-adjusted p that the number of identities allows, if it is not below `CLEAR`."""
    least = smallest_p(duel.comparisons)
    return least if least >= CLEAR else None


def tally(duel: Duel, known: Mapping[str, Column]) -> Tally:
    """Count on how many metrics each side is better, set metrics included."""
    entries: list[Compared | SetsCompared] = [*duel.comparisons, *duel.sets]
    values = [favors(known[entry.metric], entry.difference) for entry in entries]
    verdicts = [verdict(known[entry.metric], entry) for entry in entries]
    a, b = (values.count(side) for side in "ab")
    clear_a, clear_b = (verdicts.count(side) for side in "ab")
    return Tally(a, b, clear_a, clear_b, len(entries))


def _duel(comparison: RunComparison, duel: Duel) -> Table:
    """Return a table for 80 columns: the interval is below the difference, the effect below the wins."""
    table = Table(title=escape(f"A {duel.label_a}, B {duel.label_b}"), box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("metric", no_wrap=True)
    for name in ("A", "B", "A − B", "wins of A,\neffect", "p\n(Holm)", "n"):
        table.add_column(name, justify="right", no_wrap=True)
    shown = columns(comparison)
    for entry in duel.comparisons:
        column = shown[entry.metric]
        metric = Text(f"{column.name} {column.arrow}")
        metric.append(f"\n{column.short}", style="dim")
        if entry.failed_a or entry.failed_b:
            metric.append(f"\nfailed: A {entry.failed_a}, B {entry.failed_b}", style="yellow")
        wins = "–" if entry.win_rate is None else f"{100 * entry.win_rate:.0f} %"
        table.add_row(
            metric,
            number(entry.mean_a, column.decimals),
            number(entry.mean_b, column.decimals),
            _between(entry, column),
            f"{wins}\n{number(entry.effect_size, 2, True)}",
            p_value(entry.p_holm),
            str(entry.n),
        )
    for of_sets in duel.sets:
        column = shown[of_sets.metric]
        table.add_row(
            Text(f"{column.name} {column.arrow}").append(f"\n{column.short}", style="dim"),
            number(of_sets.value_a, column.decimals),
            number(of_sets.value_b, column.decimals),
            _between(of_sets, column),
            "–",
            "–",
            f"{of_sets.n_a}" if of_sets.n_a == of_sets.n_b else f"{of_sets.n_a}\n{of_sets.n_b}",
        )
    return table


def _between(entry: Compared | SetsCompared, column: Column) -> Text:
    """Return a difference, the better side or ``tie``, and the interval below."""
    better = verdict(column, entry)
    text = Text({"": "", "tie": "tie "}.get(better, f"{better.upper()} better "), style="dim")
    text.append(number(entry.difference, column.decimals, True), style="bold" if clear(entry) else "")
    return text.append(f"\n{interval(entry.ci_low, entry.ci_high, column.decimals, True)}", style="dim")


def _grouping(comparison: RunComparison, duel: Duel, name: str) -> Table:
    """Return a table of metrics by groups: the mean difference, bold if the group's interval excludes zero."""
    entries = [entry for entry in duel.groups if entry.grouping == name]
    groups = list(dict.fromkeys(entry.group for entry in entries))
    more = f" (the first {MANY} of {len(groups)}; --html shows all)" if len(groups) > MANY else ""
    table = Table(title=escape(f"A − B by {name}{more}"), title_style="dim", box=box.SIMPLE_HEAD)
    table.add_column("metric", no_wrap=True)
    for group in groups[:MANY]:
        n = max(entry.n for entry in entries if entry.group == group)
        table.add_column(escape(f"{group.replace(' (', chr(10) + '(')}\nn {n}"), justify="right")
    found = {(entry.group, entry.metric): entry for entry in entries}
    for metric, column in columns(comparison).items():
        own = [found.get((group, metric)) for group in groups[:MANY]]
        if any(own):
            table.add_row(metric, *(_difference(entry, column) for entry in own))
    return table


def _difference(entry: Group | None, column: Column) -> Text:
    if entry is None:
        return Text("–")
    return Text(number(entry.difference, column.decimals, True), style="bold" if clear(entry) else "")
