"""Crossed mixed models by statsmodels: raters and clips as random effects, in addition to the means over clusters."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

MOST = 4_000_000  # votes times effects; larger fits take minutes


@dataclass(frozen=True)
class Mixed:
    """A fit by restricted maximum likelihood. means: group to value, low, high. variances: of each random effect.

    why: the reason without a fit; then the rest is empty.
    """

    means: dict[str, tuple[float, float, float]]
    variances: dict[str, float]
    why: str | None = None


def fit(votes: pd.DataFrame, effects: tuple[str, ...], groups: bool = True) -> Mixed:
    """Fit grade = group + `effects` + rest. votes: columns `grade`, `group` and those of the effects.

    effects: names of columns; ``rater:group`` for a rater's effect on one group. groups: if empty, one mean for all.
    """
    from statsmodels.regression.mixed_linear_model import MixedLM, VCSpec

    y = votes["grade"].to_numpy(float)
    names = list(dict.fromkeys(votes["group"])) if groups else ["all"]
    x = (
        np.stack([(votes["group"] == name).to_numpy(float) for name in names], 1)
        if groups
        else np.ones((len(votes), 1))
    )
    columns: dict[str, np.ndarray] = {}
    for effect in effects:
        if votes[effect.split(":")[0]].nunique() < 2:
            continue  # with one rater or clip, its effect on a group cannot be separated from the group
        codes = pd.MultiIndex.from_frame(votes[effect.split(":")]).factorize()[0]
        if 1 < codes.max() + 1 < len(votes):
            columns[effect] = codes
    if len(votes) * sum(codes.max() + 1 for codes in columns.values()) > MOST:
        return Mixed({}, {}, "too many votes, raters and clips to fit it in a minute")
    spread = {effect: np.eye(codes.max() + 1)[codes] for effect, codes in columns.items()}
    if np.ptp(y) == 0:
        return Mixed({}, {}, f"all {len(y)} votes are {y[0]:g}")
    if not spread or len(votes) <= len(names) + 1:
        return Mixed({}, {}, "too few votes, raters or clips")
    parts = VCSpec(
        list(spread),
        [[[f"{name}{k}" for k in range(design.shape[1])]] for name, design in spread.items()],
        [[design] for design in spread.values()],
    )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # variances of zero are valid; convergence is checked below
            result = MixedLM(y, x, groups=np.zeros(len(y)), exog_vc=parts).fit(reml=True, method=["bfgs", "powell"])
    except (np.linalg.LinAlgError, ValueError) as error:
        return Mixed({}, {}, f"no fit ({' '.join(str(error).split())[:100]})")
    if not result.converged:
        return Mixed({}, {}, "no fit (it did not converge)")
    ends = np.atleast_2d(result.conf_int())[: len(names)]
    means = {name: (float(result.fe_params[k]), float(ends[k][0]), float(ends[k][1])) for k, name in enumerate(names)}
    if not np.isfinite([end for values in means.values() for end in values]).all():
        return Mixed({}, {}, "no fit (its errors are undefined)")
    variances = dict(zip(spread, map(float, result.vcomp))) | {"rest": float(result.scale)}
    return Mixed(means, variances)
