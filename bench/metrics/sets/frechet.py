"""Fréchet distance of the normal distributions fitted to two sets of features: the distance of FID and FVD.

|m1 - m2|^2 + tr S1 + tr S2 - 2 tr (S1 S2)^(1/2) (Dowson and Landau, Journal of Multivariate Analysis 12, 1982; Heusel
et al., NeurIPS 2017, Eq. 6). The last trace is the nuclear norm of X1 X2^T for centered data. So no root of a singular
product is needed, with its rounding error, which changes the scripts' values and ruins them in some releases of SciPy.
The value is biased upwards, the more the fewer the rows: values of sets of different sizes are not comparable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Share of the largest singular value below which a direction is ignored: its vectors are rounding errors.
_NOTHING = 1e-7


@dataclass(frozen=True)
class Normal:
    """A set of features, prepared for distances. All float64.

    mean: ``(d,)``. centered: ``(n, d)`` features less their mean. squares: ``(n,)`` squared lengths of its rows.
    factor: ``(min(n, d), d)`` with the Gram matrix of `centered`. ddof: the covariance is divided by n - ddof.
    """

    mean: np.ndarray
    centered: np.ndarray
    squares: np.ndarray
    factor: np.ndarray
    ddof: int

    @property
    def divisor(self) -> int:
        """Return the divisor of sums of squares; 1 for a single row, whose covariance is zero."""
        return max(len(self.centered) - self.ddof, 1)

    @property
    def trace(self) -> float:
        """Return the trace of the covariance."""
        return float(self.squares.sum()) / self.divisor


@dataclass(frozen=True)
class Distance:
    """A Fréchet distance, its parts, and how much each row changes it.

    squared_mean: squared distance of the means. traces: of both covariances. root: trace of the root of their product.
    influence: ``(n1,)`` and ``(n2,)``, derivative of the distance by the weight of each row, at equal weights.
    """

    squared_mean: float
    traces: tuple[float, float]
    root: float
    influence: tuple[np.ndarray, np.ndarray]

    @property
    def value(self) -> float:
        return self.squared_mean + sum(self.traces) - 2 * self.root

    @property
    def parts(self) -> np.ndarray:
        """Return ``(5,)``: squared distance of means, the two traces, trace of the root, distance."""
        return np.array([self.squared_mean, *self.traces, self.root, self.value])


def fit(features: np.ndarray, ddof: int = 1) -> Normal:
    """Prepare features ``(n, d)``, n >= 1; ddof: 1 as in most scripts, 0 as in StyleGAN-V's FVD."""
    x = np.asarray(features, np.float64)
    mean = x.mean(0)
    centered = x - mean
    factor = centered if len(x) <= x.shape[1] else np.asarray(np.linalg.qr(centered, "r"))
    return Normal(mean, centered, np.square(centered).sum(1), factor, ddof)


def distance(one: Normal, other: Normal) -> Distance:
    """Return the Fréchet distance of two prepared sets of one width; symmetric, and 0 for equal ones up to rounding."""
    scale = np.sqrt(one.divisor * other.divisor)
    root, first, second = nuclear_norm(one, other)
    gap = one.mean - other.mean
    influence = tuple(
        2 * (side.centered @ towards) / len(side.centered)
        + (side.squares - side.trace + root / scale) / side.divisor
        - shares / scale
        for side, towards, shares in ((one, gap, first), (other, -gap, second))
    )
    return Distance(float(gap @ gap), (one.trace, other.trace), root / scale, (influence[0], influence[1]))


def nuclear_norm(one: Normal, other: Normal) -> tuple[float, np.ndarray, np.ndarray]:
    """Return the sum of singular values of X1 X2^T for centered rows, and each row's share ``(n1,)``, ``(n2,)``.

    A row's share is the derivative of the norm by the row's scale. The left singular vectors are those of the smaller
    Gram matrix. The singular values are lengths of the product along them, not roots of eigenvalues, so that directions
    without spread add nothing.
    """
    if len(one.factor) > len(other.factor):
        norm, second, first = nuclear_norm(other, one)
        return norm, first, second
    product = one.factor @ other.factor.T
    left = np.linalg.eigh(product @ product.T)[1]
    right = left.T @ product  # rows: right singular vectors times singular values
    values = np.sqrt(np.square(right).sum(1))
    kept = values > _NOTHING * values.max(initial=0.0)
    some = values[kept]
    first = other.factor.T @ (right[kept].T / some)
    second = one.factor.T @ left[:, kept]
    shares = (np.square(side.centered @ along) @ (1 / some) for side, along in ((one, first), (other, second)))
    return float(values.sum()), *shares
