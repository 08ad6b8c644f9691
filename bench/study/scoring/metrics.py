"""Agreement of metrics with people: correlation of runs' metrics with opinions, by clip and by model.

Signs are turned so that 1 is full agreement. Intervals by clip: raters and clips are drawn together (the pigeonhole
bootstrap of `bench.study.scoring.panel`); the standard deviation of the drawn Fisher's z around the measured z. So the
noise of drawing widens the interval and does not shift it. By model: percentiles over the same draws, for other raters
and clips; they say nothing about other models. Mapping before Pearson and RMSE: ITU-T P.1401.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.study.scoring import ranks
from bench.study.scoring.panel import CONFIDENCE, Panel
from reports.schema.manifest import MetricEntry
from reports.schema.study_score import Correlation, Interval

DRAWS = 500
KENDALL = 200  # draws of Kendall's tau, which cost the square of the points
WIDE = 300  # points above which Kendall's tau has no interval
CLIPS = 5  # least number of clips for an interval over clips


@dataclass(frozen=True)
class Measures:
    """The measurements of a run. values: rows ``(model, clip)``, columns metrics, NaN for missing ones.

    of_models: rows models, columns set metrics.
    """

    run: str
    metrics: Mapping[str, MetricEntry]
    values: pd.DataFrame
    of_models: pd.DataFrame


@dataclass(frozen=True)
class Opinions:
    """Opinions on P points. drawn: ``(n, P)`` in each resample, NaN where it has none; times: each point's count.

    models, clips: of each point. by_model: opinion of each model, and drawn ``(n, M)``.
    """

    models: np.ndarray
    clips: np.ndarray
    values: np.ndarray
    drawn: np.ndarray
    times: np.ndarray
    names: tuple[str, ...]
    by_model: np.ndarray
    by_model_drawn: np.ndarray


def of_votes(votes: pd.DataFrame, models: Sequence[str], seed: int, n: int = DRAWS) -> Opinions:
    """Return opinions from votes; comparisons count for one model and against the other."""
    if votes["other_model"].ne("").any():
        turned = votes.assign(model=votes["other_model"], grade=-votes["grade"])
        votes = pd.concat([votes, turned], ignore_index=True)
    votes = votes.assign(group=votes["model"])
    names = [model for model in models if (votes["group"] == model).any()]
    panel = Panel(votes, names, n=n, seed=seed)
    clip_names = np.array(sorted(votes["clip"].unique()))
    raters, clips = panel.weights
    here = panel.counts.sum(1) > 0
    group, clip = np.nonzero(here)
    with np.errstate(invalid="ignore", divide="ignore"):
        values = (panel.sums.sum(1) / panel.counts.sum(1))[here]
        sums, counts = (np.einsum("nr,grc->ngc", raters, part) for part in (panel.sums, panel.counts))
        drawn = (sums / counts)[:, here]
    return Opinions(
        np.array(names)[group], clip_names[clip], values, drawn, clips[:, clip], tuple(names), panel.means, panel.drawn
    )


def of_table(table: pd.DataFrame, seed: int, n: int = DRAWS) -> Opinions:
    """Return opinions from a file: columns `clip`, `model`, `opinion`, and optionally `interval` (half width, 95 %)."""
    rng = np.random.default_rng(seed)
    names = tuple(dict.fromkeys(table["model"]))
    clip_names, clip = np.unique(table["clip"].to_numpy(str), return_inverse=True)
    values = table["opinion"].to_numpy(float)
    spread = table["interval"].fillna(0).to_numpy(float) / 1.96 if "interval" in table else np.zeros(len(table))
    drawn = values + rng.normal(size=(n, len(table))) * spread
    times = rng.multinomial(len(clip_names), np.full(len(clip_names), 1 / len(clip_names)), n)[:, clip].astype(float)
    group = np.array([names.index(model) for model in table["model"]])
    member = np.eye(len(names))[group]
    with np.errstate(invalid="ignore"):
        by_model, by_drawn = values @ member / member.sum(0), (drawn * times) @ member / (times @ member)
    return Opinions(
        table["model"].to_numpy(str), table["clip"].to_numpy(str), values, drawn, times, names, by_model, by_drawn
    )


def correlations(opinions: Opinions, runs: Sequence[Measures], question: str) -> list[Correlation]:
    """Return every metric of every run, by clip and then by model, best first by Spearman."""
    found: list[tuple[Correlation, np.ndarray | None]] = []
    for run in runs:
        keys = pd.MultiIndex.from_arrays([opinions.models, opinions.clips])
        table = run.values.reindex(keys)
        for name, metric in run.metrics.items():
            facts = {"question": question, "run": run.run, "metric": name, "proxy": metric.proxy}
            sign = 1.0 if metric.higher_is_better else -1.0
            if metric.shape == "set":
                of_model: np.ndarray = sign * run.of_models[name].reindex(list(opinions.names)).to_numpy(float)
            else:
                values = sign * table[name].to_numpy(float)
                found.append(_by_clip(opinions, values, facts, sign))
                means = pd.Series(values).groupby(opinions.models).mean()
                of_model = means.reindex(list(opinions.names)).to_numpy(float)
            found.append((_by_model(opinions, of_model, facts, sign), None))
    return [*_ranked([one for one in found if one[0].level == "clip"]), *_of_models(found)]


def _of_models(found: list[tuple[Correlation, np.ndarray | None]]) -> list[Correlation]:
    own = [one for one, _ in found if one.level == "model"]
    return sorted(own, key=lambda one: -(one.spearman.value if one.spearman else -2))


def _ranked(found: list[tuple[Correlation, np.ndarray | None]]) -> list[Correlation]:
    """Sort, best first, each with its distance to the best on the same draws."""
    order = sorted(found, key=lambda one: -(one[0].spearman.value if one[0].spearman else -2))
    if not order or order[0][0].spearman is None:
        return [one for one, _ in order]
    best, drawn_best = order[0]
    ranked = [best]
    for one, drawn in order[1:]:
        if one.spearman is None or drawn is None or drawn_best is None or best.spearman is None:
            ranked.append(one)
            continue
        lacks = best.spearman.value - one.spearman.value
        half = ranks.normal() * float(np.nanstd(drawn_best - drawn))
        ranked.append(one.but(behind=Interval(value=lacks, low=lacks - half, high=lacks + half)))
    return ranked


def _by_clip(opinions: Opinions, values: np.ndarray, facts: dict, sign: float) -> tuple[Correlation, np.ndarray | None]:
    there = np.isfinite(values) & np.isfinite(opinions.values)
    x, y = values[there], opinions.values[there]
    base = {**facts, "level": "clip", "n": int(there.sum())}
    if why := _undefined(x, y):
        return _nothing(base, why), None
    drawn, times = opinions.drawn[:, there], opinions.times[:, there]
    mapping, pearson, rmse = ranks.mapped(x, y)
    rho, rhos = Interval(value=ranks.spearman(x, y), low=None, high=None), None
    tau = Interval(value=ranks.tau(x, y), low=None, high=None)
    if len(np.unique(opinions.clips[there])) >= CLIPS:
        rhos = ranks.drawn_spearman(x, drawn, times)
        rho, tau = ranks.fisher(rho.value, rhos), _kendall(x, y, drawn, times)
    return Correlation(
        **base,
        spearman=rho,
        kendall=tau,
        pearson=pearson,
        rmse=rmse,
        mapping=mapping,
        points=tuple((float(sign * a), float(b)) for a, b in zip(x, y)),
    ), rhos


def _by_model(opinions: Opinions, values: np.ndarray, facts: dict, sign: float) -> Correlation:
    there = np.isfinite(values) & np.isfinite(opinions.by_model)
    x, y = values[there], opinions.by_model[there]
    base = {**facts, "level": "model", "n": int(there.sum())}
    if why := _undefined(x, y):
        return _nothing(base, why)
    drawn = opinions.by_model_drawn[:, there]
    drawn = drawn[np.isfinite(drawn).all(1)] if too_few(opinions) is None else drawn[:0]
    mapping, pearson, rmse = ranks.mapped(x, y)
    tails = [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]
    once = np.ones_like(drawn)
    ends = [
        np.nanquantile(measure(x, drawn, once), tails) if len(drawn) else np.full(2, np.nan)
        for measure in (ranks.drawn_spearman, ranks.drawn_tau)
    ]
    return Correlation(
        **base,
        spearman=ranks.interval(ranks.spearman(x, y), *ends[0]),
        kendall=ranks.interval(ranks.tau(x, y), *ends[1]),
        pearson=pearson,
        rmse=rmse,
        mapping=mapping,
        points=tuple((float(sign * a), float(b)) for a, b in zip(x, y)),
    )


def too_few(opinions: Opinions) -> str | None:
    """Return why agreement with these opinions has no interval; None if it has one."""
    clips = len(np.unique(opinions.clips))
    return f"at least {CLIPS} clips are needed, not {clips}" if clips < CLIPS else None


def interval_by_clip(values: np.ndarray, opinions: Opinions) -> Interval:
    """Return Spearman's correlation of values, one per point of `opinions` and all finite, with its interval."""
    rhos = ranks.drawn_spearman(values, opinions.drawn, opinions.times)
    return ranks.fisher(ranks.spearman(values, opinions.values), rhos)


def _undefined(x: np.ndarray, y: np.ndarray) -> str | None:
    if len(x) < ranks.FEWEST:
        return f"only {len(x)} with both a value and an opinion; {ranks.FEWEST} are needed"
    return "all values are equal" if np.ptp(x) == 0 or np.ptp(y) == 0 else None


def _nothing(base: dict, why: str) -> Correlation:
    return Correlation(**base, spearman=None, kendall=None, pearson=None, rmse=None, mapping=None, why=why)


def _kendall(x: np.ndarray, y: np.ndarray, drawn: np.ndarray, times: np.ndarray) -> Interval:
    """Return tau-b with its interval, if there are not too many points."""
    tau = ranks.tau(x, y)
    if len(x) > WIDE:
        return Interval(value=tau, low=None, high=None)
    return ranks.fisher(tau, ranks.drawn_tau(x, drawn[:KENDALL], times[:KENDALL]))
