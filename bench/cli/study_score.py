"""`python -m bench study score` and `study power`: what the votes of a study say, and how many raters it needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from bench.cli.options import choice
from bench.cli.output import terminal
from bench.runtime.errors import UserError


def score(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of a study, or of one that was exported.", metavar="DIR")
    ] = None,
    run: Annotated[
        list[Path] | None, typer.Option(help="Finished run whose metrics are compared with people (repeatable).")
    ] = None,
    opinions: Annotated[
        Path | None,
        typer.Option(help="In place of DIR, a CSV of opinions: clip, model, opinion, and if known n and interval."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write; default: DIR/score.")] = None,
    screening: Annotated[
        str, typer.Option(help="Rule that leaves raters out beside checks: bt500, p913 or none.")
    ] = "bt500",
    least_correlation: Annotated[
        float, typer.Option(min=-1, max=1, help="Of p913: the lowest correlation that is kept.")
    ] = 0.75,
    failed_checks: Annotated[
        float, typer.Option(min=0, max=1, help="Share of failed attention checks up to which a rater is kept.")
    ] = 1 / 3,
    against: Annotated[
        str | None, typer.Option(help="Of comparisons: the model that all others are set against.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the resamples; default: that of the study.")] = None,
    resamples: Annotated[int, typer.Option(min=100, max=100_000, help="Of the intervals.")] = 2000,
) -> None:
    """Score a study: who is left out, opinions with intervals, preference, agreement, and metrics against people."""
    from bench.study.scoring import command
    from bench.study.scoring.screening import RULES
    from reports.study.console import console

    rule = choice("--screening", screening, tuple(RULES))
    if (folder is None) == (opinions is None):
        raise UserError("name the folder of a study, or --opinions with a file, one of them", code="missing-option")
    if opinions is not None:
        if out is None:
            raise UserError("--opinions: say where to write, --out", code="missing-option")
        found, place = command.of_file(opinions, run or [], seed or 0), out
    else:
        assert folder is not None
        found = command.of_study(
            folder,
            run or [],
            rule=rule,
            least_correlation=least_correlation,
            checks=failed_checks,
            against=against,
            seed=seed,
            n=resamples,
        )
        place = out or folder / command.FOLDER
    written = command.write(found, place)
    terminal().print(console(found))
    for file in written:
        typer.echo(f"written: {file}")


def power(
    raters: Annotated[str, typer.Option(help="Numbers of raters to try, comma-separated.")] = "10,20,40,80",
    clips: Annotated[int, typer.Option(min=1, max=1000, help="Clips of the study.")] = 12,
    models: Annotated[int, typer.Option(min=2, max=50, help="Models, the truth included.")] = 4,
    each: Annotated[
        int | None, typer.Option(min=1, help="Videos (or pairs of them) that a rater sees; default: all.")
    ] = None,
    kind: Annotated[
        str, typer.Option(help="acr: grades from 1 to 5; ccr: grades for a pair; preference: the better of two.")
    ] = "acr",
    grades: Annotated[str | None, typer.Option(help="ccr: p800 (default), memface or memface-0.")] = None,
    difference: Annotated[
        float, typer.Option(min=0, max=4, help="acr, ccr: grades between two models that should be told apart.")
    ] = 0.3,
    share: Annotated[
        float, typer.Option(min=0.5, max=0.99, help="preference: share of votes that the better of two gets.")
    ] = 0.6,
    like: Annotated[
        Path | None, typer.Option(help="acr, ccr: a scored study (DIR or score.json) whose variances are planted.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of the made-up studies.")] = 0,
) -> None:
    """Say how many raters give which interval, by made-up studies whose variances are known."""
    from bench.study.questions import SCALES
    from bench.study.scoring import power as planned
    from reports.schema.study import Kind
    from reports.study.power import table

    numbers, chosen = _numbers(raters), choice("--kind", kind, get_args(Kind))
    if like is not None and chosen == "preference":
        raise UserError("--like: of acr and ccr only", code="unused-option")
    if grades is not None and chosen != "ccr":
        raise UserError("--grades: of ccr only", code="unused-option")
    same: dict[str, Any] = {"clips": clips, "models": models, "each": each, "seed": seed}
    asked = f"{difference:g} grades"
    if chosen == "preference":
        expected = planned.preferences(numbers, **same, share=share)
        asked = f"{100 * share:g} % of the votes"
    elif chosen == "ccr":
        scale = SCALES["ccr"][choice("--grades", grades or "p800", tuple(SCALES["ccr"]))]
        values, spread = [value for value, _ in scale], planned.spread_of(like, chosen)
        expected = planned.comparisons(numbers, **same, difference=difference, scale=values, spread=spread)
    else:
        spread = planned.spread_of(like, chosen)
        expected = planned.ratings(numbers, **same, difference=difference, spread=spread)
    terminal().print(table([vars(one) for one in expected], chosen, asked))


def _numbers(text: str) -> list[int]:
    try:
        numbers = [int(word) for word in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 2 or max(numbers) > 1000:
        raise UserError(f"--raters {text}: numbers from 2 to 1000, comma-separated", code="bad-value")
    return numbers
