"""Votes on pairs of videos: CMOS of each pair of models, and strengths of models."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd

from bench.study.scoring import preference
from bench.study.scoring.panel import Estimate, Panel
from bench.study.scoring.values import Found, Plan, family, interval, no_interval, of_mixed, plain, value
from bench.study.scoring.votes import oriented
from reports.schema.study_score import Difference, Opinion, Preference, QuestionAsked, Strength


def of_comparisons(
    own: pd.DataFrame, everyone: pd.DataFrame, question: QuestionAsked, plan: Plan, seed: int, n: int
) -> Found:
    """Return the results of one question's comparisons. own: votes that count, one or more; everyone: all votes."""
    found = Found(question.name)
    order = [*(model for model in plan.models if model != plan.against), *([plan.against] if plan.against else [])]
    own, everyone = (_paired(part, order) for part in (own, everyone))
    pairs = [(a, b) for a, b in combinations(order, 2) if (own["group"] == _pair(a, b)).any()]
    names = [_pair(a, b) for a, b in pairs]
    panel, whole = Panel(own, names, n=n, seed=seed), Panel(everyone, names, n=n, seed=seed)
    fitted = found.add_mixed(own)
    bounds = question.low, question.high
    for (a, b), name, mean in zip(pairs, names, family([panel.of(name, bounds) for name in names])):
        of_all, votes = whole.of(name, bounds), own[own["group"] == name]
        found.opinions.append(
            Opinion(
                question=question.name,
                model=a,
                other=b,
                mean=mean,
                plain=plain(votes["grade"]),
                mixed=of_mixed(fitted, name),
                everyone=interval(of_all.value, of_all.low, of_all.high),
            )
        )
        found.cannot("difference", f"interval and test of {a} − {b}", no_interval(mean, votes))
    _preference(found, own, order)
    found.add_agreement(own.assign(unit=own["group"] + "\x1f" + own["clip"]), [])
    return found


def _paired(votes: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    facing = oriented(votes, order)
    return facing.assign(group=[_pair(a, b) for a, b in zip(facing["a"], facing["b"])])


def _pair(a: str, b: str) -> str:
    return f"{a}\x1f{b}"


def _preference(found: Found, votes: pd.DataFrame, order: list[str]) -> None:
    """Add the preferences. votes: oriented; `first` states which model was shown first."""
    shown = votes.assign(
        model=np.where(votes["first"] > 0, votes["a"], votes["b"]),
        other_model=np.where(votes["first"] > 0, votes["b"], votes["a"]),
        grade=votes["grade"] * votes["first"],
    )
    models = [model for model in order if model in set(shown["model"]) | set(shown["other_model"])]
    if why := preference.undefined(shown, models):
        found.preferences.append(Preference(question=found.question, strengths=(), pairs=(), why=why))
        found.cannot("strengths", "strengths (Bradley-Terry model)", why)
        return
    fitted = preference.fit(shown, models)
    won = preference.wins(shown, models)
    facts = len(shown), int(shown["rater"].nunique()), int(shown["clip"].nunique())

    def contrast(weights: np.ndarray) -> Estimate:
        strength, low, high, se, p = fitted.contrast(weights)
        return Estimate(strength, low, high, se, np.nan, p, *facts)

    own = np.eye(len(models))
    pairs = list(combinations(range(len(models)), 2))
    tested = family([contrast(own[i] - own[j]) for i, j in pairs])
    if fitted.first is None:
        why = "the votes do not separate it from the models' strengths"
        found.cannot("first-shown", "advantage of the first shown", why)
    found.preferences.append(
        Preference(
            question=found.question,
            strengths=tuple(
                Strength(
                    model=model,
                    strength=value(contrast(own[k] - 1 / len(models))).but(p=None),
                    wins=float(won[k].sum() / (won[k].sum() + won[:, k].sum())),
                )
                for k, model in enumerate(models)
            ),
            pairs=tuple(
                Difference(question=found.question, a=models[i], b=models[j], difference=difference)
                for (i, j), difference in zip(pairs, tested)
            ),
            ties=fitted.nu,
            first=interval(*fitted.first) if fitted.first else None,
        )
    )
