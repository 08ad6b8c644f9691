"""Agreement of raters: Krippendorff's alpha by the package of that name, ICC from a mixed model of statsmodels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from bench.study.scoring import mixed

LEAST_UNITS = 2
PACKAGE = "krippendorff"


@dataclass(frozen=True)
class Agreement:
    """Agreement on one question; nan where undefined. raters, units: videos (or pairs of them) with two votes or more.

    alpha: ordinal; 1 for full agreement, 0 for chance. icc: ICC(2,1) of Shrout and Fleiss, of one rater. icc_mean:
        ICC(2,k), of the mean over the average number of raters per unit. why_alpha, why_icc: the reason where one is
        undefined.
    """

    alpha: float
    icc: float
    icc_mean: float
    raters: int
    units: int
    why_alpha: str | None = None
    why_icc: str | None = None


def agreement(votes: pd.DataFrame) -> Agreement:
    """Return the agreement of the raters. votes: columns `rater`, `unit`, `grade`; repeated grades are averaged."""
    one = votes.groupby(["rater", "unit"], sort=True)["grade"].mean().unstack()
    shared = one.loc[:, one.notna().sum() > 1]
    shared = shared.loc[shared.notna().any(axis=1)]
    raters, units = shared.shape
    if raters < 2 or units < LEAST_UNITS:
        why = f"agreement needs {LEAST_UNITS} videos with grades of two raters; there are {units}"
        return Agreement(np.nan, np.nan, np.nan, raters, units, why, why)
    long = shared.reset_index().melt("rater", value_name="grade").dropna()
    if np.ptp(long["grade"]) == 0:
        why = f"all grades are {long['grade'].iloc[0]:g}; agreement is undefined without variation"
        return Agreement(np.nan, np.nan, np.nan, raters, units, why, why)
    alpha = _alpha(shared.to_numpy(float))
    why_alpha = f"the package {PACKAGE} is not installed" if np.isnan(alpha) else None
    icc, icc_mean, why_icc = _icc(long)
    return Agreement(alpha, icc, icc_mean, raters, units, why_alpha, why_icc)


def _alpha(grades: np.ndarray) -> float:
    """Return alpha. grades: ``(R, U)`` with NaN where a rater has not graded a unit. NaN without the package."""
    try:
        import krippendorff  # under the GPL, so it is optional
    except ImportError:
        return float("nan")
    return float(krippendorff.alpha(reliability_data=grades, level_of_measurement="ordinal"))


def _icc(long: pd.DataFrame) -> tuple[float, float, str | None]:
    """Return ICC(2,1) and ICC(2,k) from variances of units, raters and the rest; the table may have gaps."""
    found = mixed.fit(long.assign(group="all"), ("unit", "rater"), groups=False)
    if found.why or "unit" not in found.variances:
        return float("nan"), float("nan"), found.why or "no video has two votes"
    unit, error = found.variances["unit"], found.variances.get("rater", 0.0) + found.variances["rest"]
    k = len(long) / long["unit"].nunique()
    if unit + error <= 0:
        return float("nan"), float("nan"), "the mixed model finds no variation"
    return unit / (unit + error), unit / (unit + error / k), None
