"""`python -m bench study score` and `study power`: evaluate a study, and plan the number of raters."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from bench.cli.options import choice
from bench.cli.output import terminal
from bench.runtime.errors import UserError


def score(
    folder: Annotated[
        Path | None, typer.Argument(help="Folder of a study or of an exported study.", metavar="DIR")
    ] = None,
    run: Annotated[
        list[Path] | None,
        typer.Option(help="Finished run whose metrics are correlated with the opinions (repeatable)."),
    ] = None,
    opinions: Annotated[
        Path | None,
        typer.Option(help="Instead of DIR: a CSV with columns clip, model, opinion, and optionally n and interval."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write; default: DIR/score.")] = None,
    screening: Annotated[
        str, typer.Option(help="Rule for screening raters, besides attention checks: bt500, p913 or none.")
    ] = "bt500",
    least_correlation: Annotated[
        float, typer.Option(min=-1, max=1, help="For p913: minimum correlation of a rater that is kept.")
    ] = 0.75,
    failed_checks: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Maximum share of failed attention checks of a rater that is kept; default: 1/3."
        ),
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="For comparisons: the model with which all others are compared.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed for resampling; default: that of the study.")] = None,
    resamples: Annotated[
        int, typer.Option(min=100, max=100_000, help="Number of resamples for confidence intervals.")
    ] = 2000,
) -> None:
    """Evaluate a study: screening, opinion scores with intervals, preferences, agreement, correlation with metrics."""
    from bench.study.scoring import command
    from bench.study.scoring.screening import CHECKS, RULES
    from reports.study.console import console

    rule = choice("--screening", screening, tuple(RULES))
    if (folder is None) == (opinions is None):
        raise UserError("give either the folder of a study or --opinions FILE", code="missing-option")
    if opinions is not None:
        if out is None:
            raise UserError("--opinions needs --out", code="missing-option")
        found, place = command.of_file(opinions, run or [], seed or 0), out
    else:
        assert folder is not None
        found = command.of_study(
            folder,
            run or [],
            rule=rule,
            least_correlation=least_correlation,
            checks=CHECKS if failed_checks is None else failed_checks,
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
    raters: Annotated[str, typer.Option(help="Numbers of raters to simulate, comma-separated.")] = "10,20,40,80",
    clips: Annotated[int, typer.Option(min=1, max=1000, help="Number of clips.")] = 12,
    models: Annotated[int, typer.Option(min=2, max=50, help="Number of models, including the true videos.")] = 4,
    each: Annotated[
        int | None, typer.Option(min=1, help="Number of videos (or pairs) per rater; default: all.")
    ] = None,
    kind: Annotated[
        str,
        typer.Option(
            help="acr (rate one video from 1 to 5), ccr (rate a pair) or preference (choose the better of a pair)."
        ),
    ] = "acr",
    grades: Annotated[
        str | None, typer.Option(help="Rating scale of ccr: p800 (default), memface or memface-0.")
    ] = None,
    difference: Annotated[
        float, typer.Option(min=0, max=4, help="acr, ccr: difference between two models to detect, in grades.")
    ] = 0.3,
    share: Annotated[
        float, typer.Option(min=0.5, max=0.99, help="preference: share of votes for the better model.")
    ] = 0.6,
    like: Annotated[
        Path | None, typer.Option(help="acr, ccr: a scored study (DIR or score.json) whose variances are used.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed for the simulated studies.")] = 0,
) -> None:
    """Simulate studies to find how many raters are needed for a given confidence interval."""
    from bench.study.questions import SCALES
    from bench.study.scoring import power as planned
    from reports.schema.study import Kind
    from reports.study.power import table

    numbers, chosen = _numbers(raters), choice("--kind", kind, get_args(Kind))
    if like is not None and chosen == "preference":
        raise UserError("--like needs --kind acr or ccr", code="unused-option")
    if grades is not None and chosen != "ccr":
        raise UserError("--grades needs --kind ccr", code="unused-option")
    same: dict[str, Any] = {"clips": clips, "models": models, "each": each, "seed": seed}
    effect = f"{difference:g} grades"
    if chosen == "preference":
        expected = planned.preferences(numbers, **same, share=share)
        effect = f"{100 * share:g} % of the votes"
    elif chosen == "ccr":
        scale = SCALES["ccr"][choice("--grades", grades or "p800", tuple(SCALES["ccr"]))]
        values, spread = [value for value, _ in scale], planned.spread_of(like, chosen)
        expected = planned.comparisons(numbers, **same, difference=difference, scale=values, spread=spread)
    else:
        spread = planned.spread_of(like, chosen)
        expected = planned.ratings(numbers, **same, difference=difference, spread=spread)
    terminal().print(table([vars(one) for one in expected], chosen, effect))


def _numbers(text: str) -> list[int]:
    try:
        numbers = [int(word) for word in text.split(",")]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 2 or max(numbers) > 1000:
        raise UserError(f"--raters {text}: give numbers from 2 to 1000, comma-separated", code="bad-value")
    return numbers
