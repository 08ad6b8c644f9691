"""How finished videos differ from the clips that they answer: length, rate, size, sound."""

from __future__ import annotations

import math
from collections.abc import Mapping

from baselines.external.videos import VideosFolder
from bench.run.engine import Model
from protocols.clips import Clip
from protocols.datasets import Dataset
from protocols.folder import some
from protocols.pairs import FrameRef
from protocols.resolve import Resolved

SHORT = 0.5  # of a frame by which lengths may differ


def differences(model: Model, resolved: Resolved) -> list[str]:
    """A line for each way in which a model's videos differ from the reference clips, with the first of them.

    Frames are compared at the reference's times; where a video ends before, the rest is left out, and counted.
    """
    predictor = model.predictor
    if not isinstance(predictor, VideosFolder) or resolved.clips is None:
        return []
    found: dict[str, list[str]] = {}
    for clip in resolved.clips.clips:
        if name := predictor.found.get(clip.id):
            for what, line in _compare(clip, resolved.datasets, predictor.dataset, name).items():
                found.setdefault(what, []).append(f"{clip.id} {line}")
    n = len(predictor.found)
    label = model.label
    return [f"{label}: another {what} in {len(own)} of {n} videos: {some(own)}" for what, own in found.items()]


def _compare(clip: Clip, datasets: Mapping[str, Dataset], made: Dataset, name: str) -> dict[str, str]:
    ref = clip.target or clip.driving
    truth = datasets[ref.dataset]
    lines: dict[str, str] = {}
    seconds, other = truth.end(ref.clip), made.end(name)
    if math.isinf(seconds) != math.isinf(other):
        lines["length"] = "is a picture, the reference a video" if math.isinf(other) else "is a video of a picture"
    elif not math.isinf(seconds):
        lines |= _clocks(clip, (seconds, len(truth.frames(ref.clip))), (other, len(made.frames(name))))
    size, other_size = (_size(data, one) for data, one in ((truth, ref.clip), (made, name)))
    if size != other_size:
        lines["size"] = f"{other_size[1]}x{other_size[0]}, reference {size[1]}x{size[0]} (resized to it, Lanczos)"
    heard, other_heard = truth.sound_file(ref.clip) is not None, made.sound_file(name) is not None
    if heard != other_heard:
        lines["sound"] = (
            f"has {'sound' if other_heard else 'no sound'}, the reference {'has some' if heard else 'none'}"
        )
    return lines


def _clocks(clip: Clip, truth: tuple[float, int], made: tuple[float, int]) -> dict[str, str]:
    """What differs between two videos, each by its seconds and its number of frames."""
    lines = {}
    (seconds, n), (other, other_n) = truth, made
    wanted, rate, other_rate = min(clip.end or seconds, seconds) - clip.start, n / seconds, other_n / other
    if abs(other - wanted) > SHORT / rate and not (clip.end and other > wanted):
        lines["length"] = f"{other:.3f} s, reference {wanted:.3f} s (compared over the common duration)"
    if abs(other_rate - rate) > 0.01 * rate:
        lines["rate"] = f"{other_rate:.4g} frames a second, reference {rate:.4g} (compared at the reference's times)"
    return lines


def _size(dataset: Dataset, clip: str) -> tuple[int, int]:
    return dataset.size(FrameRef(dataset.name, clip, dataset.frames(clip)[0]))
