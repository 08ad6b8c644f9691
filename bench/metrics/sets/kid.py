"""Kernel distance of two sets of features (Bińkowski et al., Demystifying MMD GANs, ICLR 2018): unbiased, unlike FID.

Squared maximum mean discrepancy of the kernel (x . y / d + 1)^3. Negative values are legitimate.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

DEGREE = 3
ROWS = 512  # rows of a kernel matrix at a time; changes the memory needed, not the result
WHOLE = 5000  # rows of sets up to which kernel values are computed once for all subsets; more take too much memory
# From the sizes of both sets and of a subset to the indices of one subset of each.
Draw = Callable[[int, int, int], tuple[np.ndarray, np.ndarray]]


def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the kernel ``(n1, n2)`` of ``(n1, d)`` and ``(n2, d)``, in their type."""
    return _cubes(x @ y.T, x.shape[1])


def kid(one: np.ndarray, other: np.ndarray) -> float:
    """Return the unbiased estimate on all rows of ``(n1, d)`` and ``(n2, d)``, n >= 2; symmetric.

    Estimates on subsets have the same expectation with more noise. The precision is that of `block_sums`.
    """
    groups = np.zeros(len(one), int), np.zeros(len(other), int)
    within = (block_sums(side, group) / (len(side) * (len(side) - 1)) for side, group in zip((one, other), groups))
    across = block_sums(one, groups[0], other, groups[1]) / (len(one) * len(other))
    return float((sum(within) - 2 * across)[0, 0])


def block_sums(
    one: np.ndarray,
    groups: np.ndarray,
    other: np.ndarray | None = None,
    others: np.ndarray | None = None,
    count: int = 1,
) -> np.ndarray:
    """Return the sums ``(count, count)`` of the kernel over the pairs of each two groups, in constant memory.

    Products of features have the features' type (float32 is twice as fast); everything else is float64.
    groups, others: ``(n1,)`` and ``(n2,)`` group of each row, below `count`. Without `other`, of one set with itself,
    where no row is paired with itself.
    """
    y, columns = (one, groups) if other is None or others is None else (other, others)
    mine, theirs = (np.eye(count)[labels] for labels in (groups, columns))
    sums = np.zeros((count, count))
    for start in range(0, len(one), ROWS):
        rows = slice(start, start + ROWS)
        first = start if other is None else 0  # of one set, only the pairs on one side of the diagonal
        values = _cubes((one[rows] @ y[first:].T).astype(np.float64), one.shape[1])
        if other is None:
            values = np.triu(values, 1)
        sums += mine[rows].T @ (values @ theirs[first:])
    return sums if other is not None else sums + sums.T


def _cubes(products: np.ndarray, width: int) -> np.ndarray:
    """Return (product / width + 1)^3, in place where possible."""
    products /= width
    products += 1
    cubes = products * products
    cubes *= products
    return cubes


def torch_fidelity_draw(seed: int = 2020) -> Draw:
    """Draw like torch-fidelity: the real ones first, by `RandomState`."""
    random = np.random.RandomState(seed)

    def draw(reals: int, generated: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        first = random.choice(reals, size, replace=False)
        return first, random.choice(generated, size, replace=False)

    return draw


def clean_fid_draw(seed: int = 0) -> Draw:
    """Draw like clean-fid and StyleGAN: called with the real ones first, they draw from the second argument first."""
    random = np.random.RandomState(seed)

    def draw(reals: int, generated: int, size: int) -> tuple[np.ndarray, np.ndarray]:
        second = random.choice(generated, size, replace=False)
        return random.choice(reals, size, replace=False), second

    return draw


def subsets(
    real: np.ndarray,
    generated: np.ndarray,
    draw: Draw,
    count: int = 100,
    size: int = 1000,
    dtype: type[np.floating] = np.float32,
) -> Sequence[float]:
    """Return the unbiased estimate on each of `count` subsets of `size` rows (of all rows, where there are fewer).

    dtype: of the arithmetic; the scripts use that of the features, float32. They print the mean; torch-fidelity also
    prints the standard deviation over the subsets, which is no interval, since subsets overlap.
    """
    x, y = (np.asarray(side, dtype) for side in (real, generated))
    size = min(size, len(x), len(y))
    whole = [kernel(a, b) for a, b in ((x, x), (y, y), (x, y))] if max(len(x), len(y)) <= WHOLE else None
    found = []
    for _ in range(count):
        first, second = draw(len(x), len(y), size)
        chosen = ((first, first), (second, second), (first, second))
        if whole:
            reals, others, across = (table[np.ix_(*places)] for table, places in zip(whole, chosen))
        else:
            a, b = x[first], y[second]
            reals, others, across = kernel(a, a), kernel(b, b), kernel(a, b)
        off_diagonal = sum(table.sum() - np.trace(table) for table in (reals, others))
        found.append(float(off_diagonal / (size * (size - 1)) - 2 * across.sum() / size**2))
    return found
