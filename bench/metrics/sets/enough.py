"""How few rows or people a set metric can stand on, and the halves of a set for its floor."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# Fewer rows than dimensions leave the covariances singular: the Fréchet distance is then mostly its bias.
KID_FEWEST = 100
PEOPLE_FEWEST = 10


def frechet_warnings(rows: Sequence[int], width: int, people: int) -> list[str]:
    """Say in words why a Fréchet distance of sets of this many rows, of features of this width, tells little."""
    found = _few_people(people)
    if min(rows) <= width:
        found.append(
            f"{min(rows)} rows for {width} dimensions: the distance is mostly bias; compare it only with values at "
            f"the same number of rows, and prefer the kernel distance"
        )
    return found


def kid_warnings(rows: Sequence[int], people: int) -> list[str]:
    """Say in words why a kernel distance of sets of this many rows tells little."""
    found = _few_people(people)
    return [*found, f"{min(rows)} rows, fewer than {KID_FEWEST}"] if min(rows) < KID_FEWEST else found


def halves(people: Sequence[str] | np.ndarray, seed: int = 0) -> np.ndarray:
    """Whether each row ``(n,)`` is in the first half: people are split, by their rows, as evenly as their order allows.

    The distance between the halves is a floor: what two sets of real videos of other people have. Each half has half of
    the rows, so the Fréchet distance between them is biased more than that of whole sets.
    """
    names, places, rows = np.unique(np.asarray(people, str), return_inverse=True, return_counts=True)
    first = np.zeros(len(names), bool)
    sizes = [0, 0]
    for person in np.random.default_rng(seed).permutation(len(names)):
        first[person] = sizes[0] <= sizes[1]
        sizes[1 - int(first[person])] += int(rows[person])
    return first[places]


def _few_people(people: int) -> list[str]:
    return [f"{people} people, fewer than {PEOPLE_FEWEST}"] if people < PEOPLE_FEWEST else []
