"""The jobs of `python -m bench speed` for pixel metrics and perceptual distances."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from baselines.parallel_map import parallel_map
from bench import detectors, metrics
from bench.metrics import st_lpips
from bench.metrics.base import as_images
from bench.metrics.families import FAMILIES
from bench.runtime.config import Config

Work = Callable[[], object]
Jobs = dict[str, dict[str, Work]]
Features = Callable[[dict[str, Tensor], Tensor], list[Tensor]]
CPU = torch.device("cpu")
GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


class Libraries:
    """The pixel metrics as common libraries compute them, one pair at a time.

    one, other: uint8 ``(N, H, W, 3)``. ways: by definition, the library and its function of floats in [0, 1], which are
    converted beforehand.
    """

    def __init__(self, one: np.ndarray, other: np.ndarray) -> None:
        from skimage.metrics import peak_signal_noise_ratio, structural_similarity

        self._frames = one, other
        self._floats = self._as_floats()

        def ssim(**options: object) -> Work:
            return lambda: [structural_similarity(a, b, channel_axis=2, **options) for a, b in self._floats]

        def wrapped() -> object:
            squares = (np.mean((x - y) ** 2, dtype=np.float64) for x, y in zip(one, other))
            return [10 * np.log10(255**2 / max(square, 1e-9)) for square in squares]

        self.ways: dict[str, tuple[str, Work]] = {
            "ssim": (FAMILIES["ssim"].reference_library, ssim(data_range=1.0, **GAUSSIAN)),
            "ssim-skimage": (FAMILIES["ssim"].reference_library, ssim(data_range=1.0)),
            "ssim-published": (FAMILIES["ssim"].reference_library, ssim(data_range=2.0)),
            "psnr": (
                FAMILIES["psnr"].reference_library,
                lambda: [peak_signal_noise_ratio(a, b, data_range=1.0) for a, b in self._floats],
            ),
            "psnr-uint8": ("numpy", wrapped),
            "l1": (
                FAMILIES["l1"].reference_library,
                lambda: [np.abs(a - b).mean(dtype=np.float64) for a, b in self._floats],
            ),
        }

    def __call__(self) -> object:
        """Compute all of them from 8-bit frames."""
        self._floats[:] = self._as_floats()
        return [work() for _, work in self.ways.values()]

    def _as_floats(self) -> list[tuple[np.ndarray, np.ndarray]]:
        return [(a.astype(np.float32) / 255, b.astype(np.float32) / 255) for a, b in zip(*self._frames)]


def pixels(one: np.ndarray, other: np.ndarray) -> Jobs:
    """Return every definition alone and all together, next to scikit-image pair by pair.

    one, other: uint8 ``(N, H, W, 3)``. All together start from these on both sides; each alone starts from floats that
    are converted beforehand.
    """
    libraries = Libraries(one, other)
    chosen = [definition for definition in metrics.definitions().values() if definition.kind is None]
    alike = [definition for definition in chosen if definition.name in libraries.ways]

    def ours() -> object:
        return metrics.compute_images(alike, as_images(one, CPU), as_images(other, CPU))

    jobs: Jobs = {"all pixel metrics": {"bench": ours, "scikit-image and numpy, pair by pair": libraries}}
    source, target = as_images(one, CPU), as_images(other, CPU)
    for definition in chosen:
        ways: dict[str, Work] = {"bench": partial(definition.compute, source, target)}
        if definition in alike:  # not those of plug-ins
            library, work = libraries.ways[definition.name]
            ways[f"{library}, pair by pair"] = work
        jobs[f"metric {definition.name}"] = ways
    return jobs


def perceptual(one: np.ndarray, other: np.ndarray, config: Config, device: torch.device) -> Jobs:
    """Return each perceptual metric with weights: the whole call from uint8, and its network alone.

    The difference is the time of the harness.
    """
    images = as_images(one, device), as_images(other, device)
    planes = [part.contiguous() for part in images]
    known = metrics.definitions().values()
    choice = detectors.choose("auto", config.weights, kinds={d.requires.kind for d in known if d.requires})
    taken = {name for names in choice.networks.values() for name in names}
    jobs: Jobs = {}
    for definition in metrics.resolve([d.name for d in known if d.requires and d.requires.name in taken], choice):

        def whole(chosen: tuple = (definition,)) -> object:
            return metrics.compute_images(chosen, as_images(one, device), as_images(other, device))

        def single(chosen: tuple = (definition,)) -> object:
            pairs = ((as_images(a[None], device), as_images(b[None], device)) for a, b in zip(one, other))
            return [metrics.compute_images(chosen, *pair) for pair in pairs]

        ways: dict[str, Work] = {"bench, the whole call": whole}
        if alone := _ALONE.get(definition.name):
            ways |= alone(*planes)
        ways["bench, pair by pair"] = single
        jobs[f"metric {definition.name}"] = ways
    return jobs


def _st_lpips(one: Tensor, other: Tensor) -> dict[str, Work]:
    weights, pairs = st_lpips.loaded(str(one.device)), list(zip(one.split(1), other.split(1)))

    @torch.inference_mode()
    def distance(pair: tuple[Tensor, Tensor], features: Features = st_lpips.features) -> Tensor:
        return st_lpips.distance(weights, *pair, features).cpu()

    def alone() -> list[Tensor]:
        return parallel_map(distance, pairs) if one.device.type == "cpu" else [distance(pair) for pair in pairs]

    return {
        "its network alone, on tensors": alone,
        "layer by layer, pair by pair": lambda: [distance(pair, plain_features) for pair in pairs],
    }


_ALONE = {"st-lpips": _st_lpips}  # networks that can be called directly


def plain_features(weights: dict[str, Tensor], images: Tensor) -> list[Tensor]:
    """Return `st_lpips.features` computed as in its authors' code: one layer after the other."""

    def blur(x: Tensor, name: str) -> Tensor:
        return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), weights[name], stride=2, groups=x.shape[1])

    def conv(x: Tensor, name: str, padding: int) -> Tensor:
        return F.conv2d(x, weights[f"net.{name}.weight"], weights[f"net.{name}.bias"], padding=padding)

    x = (images * 2 - 1 - weights["scaling_layer.shift"]) / weights["scaling_layer.scale"]
    x1 = blur(conv(x, "slice1.0", 2), "net.slice1.1.filt").relu()
    x2 = conv(blur(F.max_pool2d(x1, 3, 1), "net.slice2.4.filt"), "slice2.5", 2).relu()
    x3 = conv(blur(F.max_pool2d(x2, 3, 1), "net.slice3.8.filt"), "slice3.9", 1).relu()
    x4 = conv(x3, "slice4.11", 1).relu()
    return [x1, x2, x3, x4, conv(x4, "slice5.13", 1).relu()]
