"""Differences of finished videos from their reference clips: length, rate, size, sound."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from baselines.external.videos import VideosFolder
from bench.run.engine import Model
from protocols.clips import Clip
from protocols.datasets import Dataset
from protocols.errors import DataError
from protocols.folder import some
from protocols.frame_numbers import numbers, step
from protocols.pairs import FrameRef
from protocols.resolve import Resolved

Unlike = dict[str, dict[str, dict[str, str]]]  # models to `differences`

HANDLING = {
    "length": " (compared over the common duration)",
    "first frame number": " (compared from the first frame of both)",
    "rate": " (compared at the reference's times)",
    "size": " (resized to the reference's, Lanczos)",
}
SHORT = 0.5  # of a frame by which lengths may differ


def differences(model: Model, resolved: Resolved) -> dict[str, dict[str, str]]:
    """Return how a model's videos differ from the reference clips: kind (``length``, ``rate``, ...) → clip → words.

    Raises DataError if the frame numbers of a clip and its reference show that their frames do not match by position.
    """
    predictor = model.predictor
    found: dict[str, dict[str, str]] = {}
    if not isinstance(predictor, VideosFolder) or resolved.clips is None:
        return found
    for clip in resolved.clips.clips:
        if name := predictor.found.get(clip.id):
            for what, line in _compare(clip, resolved.datasets, predictor.dataset, name).items():
                found.setdefault(what, {})[clip.id] = line
    return found


def lines(model: Model, found: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Return a line for each kind of difference (`differences`), with the first clips.

    Frames are compared at the reference's times; if a video ends early, the rest is left out and counted.
    """
    if not found:
        return []
    assert isinstance(model.predictor, VideosFolder)
    n = len(model.predictor.found)
    named = {what: [f"{clip} {line}" for clip, line in clips.items()] for what, clips in found.items()}
    return [
        f"{model.label}: different {what} in {len(own)} of {n} videos{HANDLING.get(what, '')}: {some(own)}"
        for what, own in named.items()
    ]


def notices(model: Model) -> list[str]:
    """Return lines on files that are not read in a folder of finished videos, and on times that no file states."""
    return model.predictor.notices() if isinstance(model.predictor, VideosFolder) else []


def _compare(clip: Clip, datasets: Mapping[str, Dataset], made: Dataset, name: str) -> dict[str, str]:
    ref = clip.target or clip.driving
    truth = datasets[ref.dataset]
    lines: dict[str, str] = {}
    seconds, other = truth.end(ref.clip), made.end(name)
    if math.isinf(seconds) != math.isinf(other):
        lines["length"] = "is a picture, the reference a video" if math.isinf(other) else "is a video of a picture"
    elif not math.isinf(seconds):
        names, other_names = truth.frames(ref.clip), made.frames(name)
        lines |= _clocks(clip, (seconds, len(names)), (other, len(other_names)))
        told, unmatched = _numbering(names, other_names) if "length" in lines else ("", False)
        if unmatched:
            what = f"{made.folder(name)}: {told}, and the two have different lengths"
            raise DataError(f"{what}; keep the same frames of both", code="frames-differ")
        if told:
            lines["first frame number"] = told
    size, other_size = (_size(data, one) for data, one in ((truth, ref.clip), (made, name)))
    if size != other_size:
        lines["size"] = f"{other_size[1]}x{other_size[0]}, reference {size[1]}x{size[0]}"
    heard, other_heard = truth.sound_file(ref.clip) is not None, made.sound_file(name) is not None
    if heard != other_heard:
        lines["sound"] = (
            f"has {'sound' if other_heard else 'no sound'}, the reference {'has some' if heard else 'none'}"
        )
    return lines


def _numbering(reference: Sequence[str], names: Sequence[str]) -> tuple[str, bool]:
    """Return how a video's frame numbers differ from the reference's, in words, and whether this decides its times.

    Frames of different duration do not match by position if their numbers rise by different steps, or if the video
    starts at a later number than the reference: only 0 and 1 are where programs begin that number their own frames.
    """
    found, other = numbers(reference), numbers(names)
    if not found or not other:
        return "", False
    rises, rise = step(reference), step(names)
    if rises and rise and rises != rise:
        return f"frame numbers rise by {rise}, those of the reference by {rises}", True
    if found[0] == other[0]:
        return "", False
    return f"begins with frame {other[0]}, the reference with frame {found[0]}", other[0] > max(found[0], 1)


def _clocks(clip: Clip, truth: tuple[float, int], made: tuple[float, int]) -> dict[str, str]:
    """Compare two videos, each by its seconds and its number of frames."""
    lines = {}
    (seconds, n), (other, other_n) = truth, made
    wanted, rate, other_rate = min(clip.end or seconds, seconds) - clip.start, n / seconds, other_n / other
    if abs(other - wanted) > SHORT / rate and not (clip.end and other > wanted):
        lines["length"] = f"{other:.3f} s, reference {wanted:.3f} s"
    if abs(other_rate - rate) > 0.01 * rate:
        lines["rate"] = f"{other_rate:.4g} frames per second, reference {rate:.4g}"
    return lines


def _size(dataset: Dataset, clip: str) -> tuple[int, int]:
    return dataset.size(FrameRef(dataset.name, clip, dataset.frames(clip)[0]))
