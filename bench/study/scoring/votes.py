"""The votes that count, in the forms that statistics need."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from protocols.errors import DataError

COLUMNS = ("rater", "trial", "kind", "model", "other_model", "clip", "question", "grade")
BOUND = re.compile(r"\s*(max|min|equals)\s*=\s*(-?\d+)\s*")


def checked(votes: pd.DataFrame) -> pd.DataFrame:
    """Return votes with all required columns: names as text, grades as numbers. Raises DataError."""
    if missing := [name for name in COLUMNS if name not in votes]:
        raise DataError(f"votes have no column {missing[0]}", code="bad-votes")
    votes = votes.copy()
    for name in ("expected", "repeats", "stimulus", "other", "identity"):
        votes[name] = votes.get(name, "")
    texts = [name for name in votes.columns if name not in ("grade", "seconds", "slot")]
    votes[texts] = votes[texts].astype(object).where(votes[texts].notna(), "").astype(str)
    grade = pd.to_numeric(votes["grade"], errors="coerce")
    if not np.isfinite(grade).all():
        place = int(np.flatnonzero(~np.isfinite(grade))[0])
        raise DataError(f"vote {place + 1}: {votes['grade'].iloc[place]!r} is not a grade", code="bad-votes")
    votes["grade"] = grade.astype(float)
    if not (votes["kind"] == "rating").any():
        raise DataError("there are no votes to score", code="bad-votes")
    return votes


def ratings(votes: pd.DataFrame, question: str | None = None) -> pd.DataFrame:
    """Return the votes for means: no training, no checks, no repeats."""
    chosen = votes["kind"] == "rating"
    return votes[chosen if question is None else chosen & (votes["question"] == question)]


def oriented(votes: pd.DataFrame, models: list[str]) -> pd.DataFrame:
    """Orient comparisons to the model that is first in `models`: `a`, `b`, and `grade` positive where a is better.

    `first`: 1 where a was shown first, else -1.
    """
    place = {model: number for number, model in enumerate(models)}
    kept = votes["model"].map(place) <= votes["other_model"].map(place)
    return votes.assign(
        a=np.where(kept, votes["model"], votes["other_model"]),
        b=np.where(kept, votes["other_model"], votes["model"]),
        grade=np.where(kept, votes["grade"], -votes["grade"]),
        first=np.where(kept, 1, -1),
    )


def passed(expected: str, grade: float) -> bool:
    """Return whether a grade passes a check, ``max=2``, ``min=4`` or ``equals=0``. Raises DataError."""
    found = BOUND.fullmatch(expected)
    if found is None:
        raise DataError(f"expected {expected!r}: neither max=, min= nor equals= with a grade", code="bad-votes")
    bound = int(found[2])
    return {"max": grade <= bound, "min": grade >= bound, "equals": grade == bound}[found[1]]
