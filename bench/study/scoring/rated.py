"""Votes on single videos (ACR): mean opinion scores, DMOS, differences of models."""

from __future__ import annotations

from itertools import combinations

import pandas as pd

from bench.study.scoring.panel import Panel
from bench.study.scoring.values import Found, Plan, family, interval, no_interval, of_mixed, plain, value
from reports.schema.study import TRUTH
from reports.schema.study_score import Difference, Opinion, QuestionAsked, Value


def of_ratings(
    own: pd.DataFrame, everyone: pd.DataFrame, question: QuestionAsked, plan: Plan, seed: int, n: int
) -> Found:
    """Return the results of one question's ratings. own: votes that count, one or more; everyone: all votes."""
    found = Found(question.name)
    own, everyone = (part.assign(group=part["model"]) for part in (own, everyone))
    models = [model for model in plan.models if (own["group"] == model).any()]
    for model in plan.models:
        if model not in models:
            found.cannot("opinion", f"opinion on {model}", "no votes on it")
    panel, whole = Panel(own, models, n=n, seed=seed), Panel(everyone, models, n=n, seed=seed)
    fitted = found.add_mixed(own)
    bounds = question.low, question.high
    dmos = _dmos(own, question, n, seed)
    for model in models:
        of_all, votes = whole.of(model, bounds), own[own["group"] == model]
        mean = value(panel.of(model, bounds))
        found.opinions.append(
            Opinion(
                question=question.name,
                model=model,
                mean=mean,
                plain=plain(votes["grade"]),
                mixed=of_mixed(fitted, model),
                everyone=interval(of_all.value, of_all.low, of_all.high),
                dmos=dmos.get(model),
            )
        )
        found.cannot("interval", f"interval of {model}", no_interval(mean, votes))
        if TRUTH in models and model != TRUTH and model not in dmos:
            found.cannot("dmos", f"DMOS of {model}", "no rater graded both it and the truth on the same clip")
    _differences(found, panel, models)
    found.add_agreement(own.assign(unit=own["model"] + "\x1f" + own["clip"]), models)
    return found


def _differences(found: Found, panel: Panel, models: list[str]) -> None:
    pairs = list(combinations(models, 2))
    if not pairs:
        found.cannot("differences", "differences of models", f"only {models[0]} has votes")
    for (a, b), difference in zip(pairs, family([panel.difference(a, b) for a, b in pairs])):
        found.differences.append(Difference(question=found.question, a=a, b=b, difference=difference))
        if difference.p is None:
            why = "the votes on both do not vary over raters or clips"
            found.cannot("difference", f"interval and test of {a} − {b}", why)


def _dmos(own: pd.DataFrame, question: QuestionAsked, n: int, seed: int) -> dict[str, Value]:
    """Return ITU-T P.910's ACR-HR scores: each vote minus the same rater's on the true clip, plus the best grade."""
    true = own[own["model"] == TRUTH].groupby(["rater", "clip"])["grade"].mean().rename("true")
    rated = own[own["model"] != TRUTH].join(true, on=["rater", "clip"], how="inner")
    if rated.empty:
        return {}
    panel = Panel(rated.assign(grade=rated["grade"] - rated["true"] + question.high), n=n, seed=seed)
    return {model: value(panel.of(model)) for model in panel.groups}
