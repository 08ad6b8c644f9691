"""The Fréchet distance as published scripts compute it, where it differs from `bench.metrics.sets.frechet`.

| name | covariance | mean | trace of the root of the product |
| --- | --- | --- | --- |
| `pytorch_fid` (and clean-fid) | n - 1 | float64 | SciPy's `sqrtm` |
| `common_styleganv` | n - 1 | float32 | SciPy's `sqrtm` |
| `torch_fidelity` | n - 1 | float32 | roots of the product's eigenvalues |
| `stylegan_v` | n | float64 | SciPy's `sqrtm` |
| `videogpt` | n - 1 | float32 | symmetric roots by float32 SVD |

Roots of singular products (n <= d) are rounded to about 1e-8 d of the largest eigenvalue. In SciPy 1.11.2 to 1.12
`sqrtm` is wrong for them; this project needs 1.13. All functions take features ``(n, d)``, real and generated.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import linalg
from torch import Tensor

from bench.metrics.sets.frechet import fit

EPS = 1e-6
UNROOTED = 1e-10  # smaller singular values stay unchanged


def pytorch_fid(real: np.ndarray, generated: np.ndarray, ddof: int = 1, eps: float = 0.0) -> float:
    """Return the distance with `sqrtm`; eps: added to both diagonals inside the root (`EPS` where it is not finite)."""
    one, other = (np.asarray(side, np.float64) for side in (real, generated))
    first, second = (_covariance(side, ddof) for side in (one, other))
    offset = eps * np.eye(len(first))
    root = linalg.sqrtm((first + offset) @ (second + offset))
    if not np.isfinite(root).all() and not eps:
        return pytorch_fid(real, generated, ddof, EPS)
    return float(_squared(one.mean(0), other.mean(0)) + np.trace(first) + np.trace(second) - 2 * np.trace(root).real)


def stylegan_v(real: np.ndarray, generated: np.ndarray) -> float:
    """Return the distance with `sqrtm` and covariances divided by n."""
    return pytorch_fid(real, generated, ddof=0)


def common_styleganv(real: np.ndarray, generated: np.ndarray) -> float:
    """Return the distance with `sqrtm`, with float32 means, as common_metrics calls its FVD after StyleGAN-V."""
    gaps = [_squared(*(np.asarray(side, kind).mean(0) for side in (real, generated))) for kind in (np.float32, float)]
    return pytorch_fid(real, generated) + gaps[0] - gaps[1]


def torch_fidelity(real: np.ndarray, generated: np.ndarray) -> float:
    """Return the distance from eigenvalues of the product, with float32 means."""
    one, other = (np.asarray(side, np.float32) for side in (real, generated))
    first, second = (_covariance(side, 1) for side in (one, other))
    eigenvalues = np.linalg.eigvals(first @ second).astype(np.complex128)
    root = np.sqrt(eigenvalues).real.sum()
    return float(_squared(one.mean(0), other.mean(0)) + np.trace(first) + np.trace(second) - 2 * root)


def videogpt(real: np.ndarray, generated: np.ndarray) -> float:
    """Return the distance in float32, with symmetric roots by SVD. Does not change its arguments, unlike the script."""
    one, other = (torch.from_numpy(np.asarray(side, np.float32)) for side in (real, generated))
    first, second = (_covariance32(side) for side in (one, other))
    half = _symmetric_root(first)
    root = torch.trace(_symmetric_root(half @ second @ half))
    mean = (one.mean(0) - other.mean(0)).square().sum()
    return float(mean + torch.trace(first + second) - 2 * root)


def with_eps(real: np.ndarray, generated: np.ndarray, eps: float = EPS) -> float:
    """Return `pytorch_fid` with `eps`, by the exact form: factors with sqrt(eps) of every direction added."""
    one, other = fit(real), fit(generated)
    spread = np.sqrt(eps) * np.eye(len(one.mean))
    stacked = (np.vstack([side.factor / np.sqrt(side.divisor), spread]) for side in (one, other))
    upper = [np.asarray(np.linalg.qr(rows, "r")) for rows in stacked]
    root = np.linalg.svd(upper[0] @ upper[1].T, compute_uv=False).sum()
    return float(_squared(one.mean, other.mean) + one.trace + other.trace - 2 * root)


def _covariance(rows: np.ndarray, ddof: int) -> np.ndarray:
    return np.atleast_2d(np.cov(rows, rowvar=False, ddof=ddof))


def _covariance32(rows: Tensor) -> Tensor:
    centered = rows - rows.mean(0)
    return centered.T @ centered / (len(rows) - 1)


def _symmetric_root(matrix: Tensor) -> Tensor:
    left, values, right = torch.linalg.svd(matrix)
    return left @ torch.diag(torch.where(values < UNROOTED, values, values.sqrt())) @ right


def _squared(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.square(one - other).sum())
