"""No-reference quality of single frames: BRISQUE, NIQE and CPBD."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import metadata
from pathlib import Path

import cv2
import numpy as np

from bench.features import natural
from bench.features.base import Feature, Recorder
from bench.features.edge_width import BLOCK, sharp_share
from bench.features.pixels import Rows, gray_of
from protocols.sound import Sound

FOLDER = Path(__file__).with_name("quality_models")
PATCH = 96  # side of NIQE's patches in pixels


class Brisque(Feature):
    """BRISQUE, from about 0 (natural) to 100 (distorted); NaN for a frame of one color.

    Mittal, Moorthy and Bovik, No-Reference Image Quality Assessment in the Spatial Domain (IEEE TIP 2012): 36 features
    of the frame at full and half size, and a regression that the authors fitted to human ratings.
    """

    name, shape = "brisque", (1,)

    @property
    def signature(self) -> str:
        return f"{self.name};v:1;gray:bt601;half:bicubic;border:zero;{_hash_of('brisque.npz')};opencv:{cv2.__version__}"

    def start(self, sound: Sound | None) -> Recorder:
        return Rows(lambda before, frame: _brisque(gray_of(frame)))


class Niqe(Feature):
    """NIQE, from about 2 (natural); NaN for a frame of one color or with fewer than two patches of 96 x 96.

    Mittal, Soundararajan and Bovik, Making a Completely Blind Image Quality Analyzer (IEEE SPL 2013): distance of the
    frame's patches from those of natural pictures, Eq. 10.
    """

    name, shape = "niqe", (1,)

    @property
    def signature(self) -> str:
        how = f"gray:bt601;half:bicubic;border:replicate;patch:{PATCH}"
        return f"{self.name};v:1;{how};{_hash_of('niqe.npz')};opencv:{cv2.__version__}"

    def start(self, sound: Sound | None) -> Recorder:
        return Rows(lambda before, frame: _niqe(gray_of(frame)))


class Cpbd(Feature):
    """CPBD, the share of edges without visible blur, in [0, 1]; NaN for a frame without an edge in a whole block.

    Narvekar and Karam, A No-Reference Image Blur Metric Based on the Cumulative Probability of Blur Detection (IEEE TIP
    2011).
    """

    name, shape = "cpbd", (1,)

    @property
    def signature(self) -> str:
        libraries = f"skimage:{metadata.version('scikit-image')};opencv:{cv2.__version__}"
        return f"{self.name};v:1;gray:bt601;edges:sobel-and-canny;block:{BLOCK};{libraries}"

    def start(self, sound: Sound | None) -> Recorder:
        return Rows(lambda before, frame: sharp_share(gray_of(frame)))


def _brisque(frame: np.ndarray) -> float:
    gray = frame.astype(np.float64)
    features: list[float] = []
    for picture in (gray, natural.halved(gray)):
        level = natural.normalized(picture, cv2.BORDER_CONSTANT)
        features += [float(one) for one in natural.symmetric(level.reshape(-1))]
        shape, left, right = natural.asymmetric(natural.pairs(level))
        mean = (right - left) * natural.lean_of(shape) * natural.spread_of(shape)
        features += np.stack([shape, mean, left**2, right**2], -1).reshape(-1).tolist()
    fitted = _fitted()
    scaled = 2 * (np.array(features) - fitted["feat_min"]) / fitted["feat_range"] - 1
    near = np.exp(-fitted["gamma"] * ((scaled - fitted["sv"]) ** 2).sum(1))
    return float(near @ fitted["sv_coef"] - fitted["rho"])


def _niqe(frame: np.ndarray) -> float:
    rows, columns = (side // PATCH for side in frame.shape)
    if rows * columns < 2:
        return float("nan")
    gray = frame[: rows * PATCH, : columns * PATCH].astype(np.float64)
    features = np.concatenate([_of_patches(gray, PATCH), _of_patches(natural.halved(gray), PATCH // 2)], 1)
    whole = features[np.isfinite(features).all(1)]
    if len(whole) < 2:
        return float("nan")
    mean, covariance = _natural()
    apart = np.nanmean(features, 0) - mean  # of all patches, including those left out of the covariance
    return float(np.sqrt(apart @ np.linalg.pinv((covariance + np.cov(whole.T)) / 2) @ apart))


def _of_patches(gray: np.ndarray, side: int) -> np.ndarray:
    """Return features ``(n, 18)`` of the patches of one scale, row after row."""
    level = natural.normalized(gray, cv2.BORDER_REPLICATE)
    rows, columns = (length // side for length in gray.shape)
    patches = level.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(-1, side, side)
    shape, left, right = natural.asymmetric(patches.reshape(len(patches), -1))
    features = [shape, (left + right) / 2 * natural.spread_of(shape)]
    shape, left, right = natural.asymmetric(natural.pairs(patches))
    left, right = left * natural.spread_of(shape), right * natural.spread_of(shape)
    four = np.stack([shape, (right - left) * natural.lean_of(shape), left, right], -1)
    return np.concatenate([np.stack(features, 1), four.reshape(len(patches), -1)], 1)


@cache
def _fitted() -> dict[str, np.ndarray]:
    with np.load(FOLDER / "brisque.npz") as held:
        return {name: held[name].astype(np.float64) for name in held.files}


@cache
def _natural() -> tuple[np.ndarray, np.ndarray]:
    with np.load(FOLDER / "niqe.npz") as held:
        return held["mu_pris_param"][0].astype(np.float64), held["cov_pris_param"].astype(np.float64)


@cache
def _hash_of(file: str) -> str:
    return f"weights:{hashlib.sha256((FOLDER / file).read_bytes()).hexdigest()[:12]}"
