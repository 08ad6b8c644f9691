"""Recompute the arrays of LivePortrait's crop and paste-back, ``crop.*``, from given landmarks."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from baselines.liveportrait import crop
from baselines.parity import Case, Record
from baselines.synthetic_weights import image_pair

SOURCE, DRIVING = (2.3, -0.125), (2.2, -0.1)  # scale and shift of the square
SHIFTED = 10.0  # pixels between the two boxes of the mean


def compute_crop(case: Case, record: Record) -> None:
    """Record every ``crop.*`` array."""
    seed = int(case.arrays["crop.meta.seed"])
    photo = np.ascontiguousarray(_levels(image_pair(seed, 480)[0])[:, 40:440])
    generated = _levels(image_pair(seed, 512)[1])
    _record(record, "photo", photo)
    _record(record, "generated", generated)
    few, own = case.arrays["crop.landmarks106"], case.arrays["crop.landmarks203"]
    for name, landmarks, turned in (
        ("source106", few, True),
        ("source203", own, True),
        ("source203_norot", own, False),
    ):
        matrix = crop.to_crop(crop.square(landmarks, *SOURCE), turned)
        _record(record, f"{name}.M_c2o", crop.inverse(matrix))
        cut = _cut(name, photo, matrix, landmarks, record)
        _record(record, f"{name}.crop256_area", crop.source_input(cut))
    box = crop.square(own, *DRIVING).box()
    mean = (box + (box + SHIFTED)) / 2
    _record(record, "driving.bbox", box)
    _record(record, "driving.bbox_average", mean)
    cut = _cut("driving", photo, crop.box_to_crop(mean), own, record)
    _record(record, "driving.crop256_linear", crop.driving_input(cut))
    matrix = crop.inverse(crop.to_crop(crop.square(few, *SOURCE)))
    _record(record, "mask_template", crop.mask())
    _record(record, "paste.mask", crop.placed_mask(matrix, *photo.shape[:2]))
    _record(record, "paste.result", crop.paste(generated, photo, matrix))
    opened = crop.ratios(own)
    _record(record, "ratio.eyes203", np.array([opened.eyes]))
    _record(record, "ratio.lip203", np.array([[opened.lip]]))


def _cut(name: str, photo: np.ndarray, matrix: np.ndarray, landmarks: np.ndarray, record: Record) -> np.ndarray:
    _record(record, f"{name}.M_o2c", matrix)
    _record(record, f"{name}.landmarks_crop", crop.moved(matrix, landmarks))
    cut = crop.cut(photo, matrix)
    _record(record, f"{name}.crop512", cut)
    return cut


def _levels(image: Tensor) -> np.ndarray:
    """Round ``(1, 3, H, W)`` in [0, 1] to ``(H, W, 3)`` uint8."""
    return torch.round(255 * image[0]).permute(1, 2, 0).to(torch.uint8).numpy()


def _record(record: Record, name: str, array: np.ndarray) -> None:
    record(f"crop.{name}", torch.from_numpy(array))
