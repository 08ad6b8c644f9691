"""What a metric is: a definition with a signature, and a pure function from two inputs to one number per pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np
import torch
from torch import Tensor

from baselines.levels import array_from_levels, from_levels
from baselines.parallel_map import parallel_map
from bench.detectors.requirement import Requirement

BLOCK = 8  # pairs per forward pass on a GPU
Compute = Callable[[Tensor, Tensor], Tensor]
Role = Literal["target", "driving", "source"]
GENERATED = "generated"  # in addition to the roles of a pair's frames


@dataclass(frozen=True)
class Definition:
    """One way to compute one number per pair.

    name: the column's name. A proxy for a paper's metric has its own name.
    family: the paper's metric that it belongs to (`bench.metrics.families`); a protocol lists families.
    version: raised whenever a change of the code can change the number; by default its family's.
    unit: "dB", "px", "deg", "share" or "" (no unit).
    against: the reference frame's role in cross-identity pairs. In same-identity pairs the reference is always the
        target; see `role`.
    detector: kind of the detector whose values it compares ("landmarks", "identity", "headpose", "action_units"), or
        None where it compares images.
    detector_name: name of the only detector that it is defined for, or None.
    proxy: True where it replaces a paper's metric whose weights are not available.
    requires: the weights of a network that it runs itself, or None; `compute` then also takes the weights folder.
    params: everything else that changes the number, for the signature.
    compute: images: two float32 tensors ``(N, 3, H, W)`` in [0, 1] (generated, reference) to ``(N,)`` float64. Detected
        values: two float64 tensors ``(N, ...)``, NaN where nothing was found, to ``(N,)`` float64, NaN where the metric
        has no value for the pair.
    """

    name: str
    family: str
    version: int
    higher_is_better: bool
    unit: str
    against: Role
    detector: str | None
    proxy: bool
    params: Mapping[str, str | float | int]
    summary: str
    compute: Compute = field(repr=False, compare=False)
    detector_name: str | None = None
    requires: Requirement | None = None

    @property
    def kind(self) -> str | None:
        """Return the kind of detector or weights that a run must choose for it; None where it needs none."""
        return self.requires.kind if self.requires else self.detector

    def role(self, reference: str) -> Role | None:
        """Return the role of the reference frame in ``same-identity`` or ``cross-identity`` pairs.

        None if the metric does not apply: pixel metrics need a target.
        """
        if reference == "same-identity":
            return "target"
        return None if self.against == "target" else self.against

    def signature(self, detector_signature: str | None = None) -> str:
        """Return one line with everything that changes the number: ``name|v:1|key:value|...``."""
        if (detector_signature is None) != (self.detector is None):
            wanted = f"needs the signature of a {self.detector} detector" if self.detector else "uses no detector"
            raise ValueError(f"{self.name} {wanted}")
        parts = [self.name, f"v:{self.version}", *(f"{key}:{value}" for key, value in self.params.items())]
        return "|".join(parts + ([f"detector:[{detector_signature}]"] if detector_signature else []))


def each_pair(
    arrays: Callable[[np.ndarray, np.ndarray], float],
    tensors: Callable[[Tensor, Tensor], Tensor],
    prediction: Tensor,
    reference: Tensor,
) -> Tensor:
    """Return ``(N,)`` float64 on the CPU from a function of one pair's images to a number.

    One pair at a time, so that no number can depend on the rest of its batch.
    arrays: the function of two ``(H, W, 3)`` arrays, for a CPU; NumPy and OpenCV are faster there than torch.
    tensors: the same function of two ``(3, H, W)`` tensors, for an accelerator; returns a 0-d tensor.
    """
    check_images(prediction, reference)
    if prediction.device.type == "cpu":
        pairs = zip(as_arrays(prediction), as_arrays(reference))
        return torch.tensor([arrays(one, other) for one, other in pairs], dtype=torch.float64)
    values = [tensors(one, other) for one, other in zip(prediction.detach(), reference.detach())]
    return torch.stack(values).double().cpu() if values else torch.zeros(0, dtype=torch.float64)


def absolute_difference(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return |x - y| of two arrays of one shape and type.

    For `cv2.norm` of one array. With two arguments, `cv2.norm` tries its one-array form first and notes the failure. A
    signal (Ctrl-C, SIGTERM) at that moment ends the process with a segmentation fault (OpenCV 5.0).
    """
    return cv2.absdiff(x, y)


def as_images(frames: np.ndarray, device: torch.device) -> Tensor:
    """Return uint8 ``(N, H, W, 3)`` as float32 ``(N, 3, H, W)`` in [0, 1] on `device`, in channels-last memory."""
    if device.type == "cpu":
        return torch.from_numpy(array_from_levels(frames)).permute(0, 3, 1, 2)
    return from_levels(torch.from_numpy(frames).to(device)).permute(0, 3, 1, 2)


def as_arrays(images: Tensor) -> np.ndarray:
    """Return images ``(N, 3, H, W)`` as a float32 array ``(N, H, W, 3)``; no copy where memory is channels-last."""
    return images.detach().float().permute(0, 2, 3, 1).contiguous().numpy()


def in_blocks(network: Callable[[Tensor, Tensor], Tensor], prediction: Tensor, reference: Tensor) -> Tensor:
    """Return ``(N,)`` float64 on the CPU from a network ``(B, 3, H, W)`` to ``(B,)`` that is called with a fixed B.

    On a CPU B is 1, with as many calls in parallel as there are cores. On a GPU the last block is filled with copies of
    its last pair. So no number depends on the number of pairs in the batch.
    """
    check_images(prediction, reference)
    if len(prediction) == 0:
        return torch.zeros(0, dtype=torch.float64)
    if prediction.device.type == "cpu":
        pairs = list(zip(prediction.split(1), reference.split(1)))
        alone = torch.inference_mode()(lambda pair: network(*(image.contiguous() for image in pair)))
        return torch.cat(parallel_map(alone, pairs)).double()
    return filled_blocks(network, prediction, reference)


def filled_blocks(network: Callable[[Tensor, Tensor], Tensor], prediction: Tensor, reference: Tensor) -> Tensor:
    """Return what `in_blocks` returns, on an accelerator."""
    values = []
    with torch.inference_mode():
        for start in range(0, len(prediction), BLOCK):
            block = [images[start : start + BLOCK].contiguous() for images in (prediction, reference)]
            count = len(block[0])
            filled = [torch.cat((images, images[-1:].expand(BLOCK - count, -1, -1, -1))) for images in block]
            values.append(network(*filled)[:count].double().cpu())
    return torch.cat(values)


def check_images(prediction: Tensor, reference: Tensor) -> None:
    """Raise ValueError unless both are float images ``(N, 3, H, W)`` of one shape."""
    if prediction.shape != reference.shape or prediction.ndim != 4 or prediction.shape[1] != 3:
        raise ValueError(f"expected two (N, 3, H, W), got {tuple(prediction.shape)} and {tuple(reference.shape)}")
    if not (prediction.is_floating_point() and reference.is_floating_point()):
        raise ValueError(f"expected floats in [0, 1], got {prediction.dtype} and {reference.dtype}")
