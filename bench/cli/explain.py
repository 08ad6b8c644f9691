"""`python -m bench explain`: formula, source, pitfalls, signature and variants of a metric."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bench.cli.options import metric_names
from bench.cli.output import terminal

if TYPE_CHECKING:
    from rich.table import Table

    from bench.detectors import DetectorSet
    from bench.info.explain import Explanation


def explain(
    metric: Annotated[
        str | None, typer.Argument(help="A metric from `list metrics`, or a family of metrics; default: list all.")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Sample frames on which to compute the variants; 0: none.")] = 4,
    weights: Annotated[Path | None, typer.Option(help="Folder with official detector weights.")] = None,
) -> None:
    """Explain a metric: formula, source, pitfalls, signature, and its variants computed on the same sample frames."""
    from rich.markdown import Markdown

    from bench.info import explain as explained
    from bench.runtime import config

    console = terminal()
    if metric is None:
        console.print(_listing(explained.pages()))
        return
    metric = metric_names(metric)[0] if metric.strip() else metric
    found, settings = explained.explain(metric), config.load((), weights)
    choice = explained.choose(found.siblings, settings)
    console.print(Markdown(found.page))
    if found.definition:
        line = explained.signature(found.definition, choice)
        console.print(f"\n{metric}: {found.definition.summary}", markup=False, highlight=False)
        console.print(f"{line}\n", markup=False, highlight=False, soft_wrap=True)
        console.print(_parts(explained.parts(line)))
    console.print(_siblings(found, choice))
    if limit and (measured := explained.measure(found.siblings, choice, settings, limit)):
        console.print(_measured(measured, limit))


def _listing(pages: dict[str, tuple[str, list[str]]]) -> Table:
    table = _table("metric", "definitions")
    table.columns[0].no_wrap = False
    table.columns[0].ratio, table.columns[1].ratio = 2, 3
    for title, names in pages.values():
        table.add_row(title, ", ".join(names))
    return table


def _parts(parts: list[tuple[str, str, str]]) -> Table:
    table = _table("part", "value", "meaning")
    for row in parts:
        table.add_row(*row)
    return table


def _siblings(found: Explanation, choice: DetectorSet) -> Table:
    """Return the definitions on the page; for each, how its signature differs from the explained one."""
    from bench.info.explain import signature
    from bench.metrics.signature import parse

    own = parse(signature(found.definition, choice)) if found.definition else None
    table = _table("definition", "what it is", "differs in" if own else "unit")
    for sibling in found.siblings:
        if own:
            other = parse(signature(sibling, choice))
            keys = [key for key in {**own, **other} if own.get(key) != other.get(key) and key != "definition"]
            keys = [key for key in keys if "." not in key or key.partition(".")[0] not in keys]
            last = ", ".join(f"{key} {other.get(key, '–')}" for key in keys)
        else:
            last = sibling.unit
        table.add_row(sibling.name, sibling.summary, last)
    return table


def _measured(measured: dict[str, dict[str, float]], pairs: int) -> Table:
    table = _table("definition", *next(iter(measured.values())))
    table.title = f"means over {pairs} frames of the sample set, changed as the column says, against the frame itself"
    for column in table.columns[1:]:
        column.justify = "right"
    for name, values in measured.items():
        name, _, rest = name.partition("|")
        table.add_row(f"{name}\n[dim]{rest}[/]", *map(_number, values.values()))
    return table


def _number(value: float) -> str:
    """Format a number for a terminal table with seven columns."""
    return f"{value:.3g}" if abs(value) >= 0.01 else f"{value:.2g}"


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(*columns, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), title_style="dim")
    table.columns[0].no_wrap = True
    return table
