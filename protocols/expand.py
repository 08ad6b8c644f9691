"""Expand whole clips in pair lists to single frames."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from protocols.errors import DataError
from protocols.frame_numbers import aligned
from protocols.pairs import WHOLE_CLIP, FrameRef, Pair, PairList, safe_id

Frames = Callable[[FrameRef], Sequence[str]]


def expanded(pairs: PairList, frames: Frames) -> PairList:
    """Return one pair per driving frame of each whole driving clip (``*``) in a list.

    A whole clip as source or anchor means its first frame; the default anchor is the driving clip's first frame. A
    whole clip as target is used frame by frame with the driving clip; the default target is the driving frame if source
    and driving frame are of one clip. frames: returns the frame names of a clip in order of time. Raises DataError if a
    clip has none, if driving clip and target have different numbers of them, or if these have gaps at different frames.
    """
    if not any(ref.frame == WHOLE_CLIP for pair in pairs.pairs for ref in pair.refs()):
        return pairs
    made = tuple(single for pair in pairs.pairs for single in _singles(pair, frames))
    return replace(pairs, pairs=made, provenance={**pairs.provenance, "expanded_from": pairs.sha256})


def _singles(pair: Pair, frames: Frames) -> list[Pair]:
    anchor = _first(pair.anchor, frames) if pair.anchor else None
    pair = replace(pair, source=_first(pair.source, frames), anchor=anchor)
    whole_target = pair.target is not None and pair.target.frame == WHOLE_CLIP
    if pair.driving.frame != WHOLE_CLIP:
        if whole_target:
            raise DataError(f"pair {pair.id}: a whole clip as target, but one driving frame", code="target-length")
        return [pair]
    if pair.target is not None and not whole_target:
        raise DataError(f"pair {pair.id}: one frame as target of a whole driving clip", code="target-length")
    names = _listed(pair.driving, frames)
    driving = [replace(pair.driving, frame=name) for name in names]
    if pair.target is None:
        same = (pair.source.dataset, pair.source.clip) == (pair.driving.dataset, pair.driving.clip)
        targets = driving if same else [None] * len(names)
    else:
        others = _listed(pair.target, frames)
        targets = [replace(pair.target, frame=name) for name in others]
    if len(targets) != len(driving):
        raise DataError(
            f"pair {pair.id}: {len(driving)} driving frames, but {len(targets)} in the target clip",
            code="target-length",
        )
    if pair.target is not None and not aligned(names, others):
        clips = f"{pair.driving.clip} and {pair.target.clip}"
        raise DataError(
            f"pair {pair.id}: {clips} have gaps in their frame numbers at different frames", code="frame-gap"
        )
    endings = names if all(map(safe_id, names)) else [f"{number:07d}" for number in range(len(names))]
    return [
        replace(pair, id=f"{pair.id}-{ending}", driving=frame, target=target, anchor=anchor or driving[0])
        for ending, frame, target in zip(endings, driving, targets)
    ]


def _first(ref: FrameRef, frames: Frames) -> FrameRef:
    return replace(ref, frame=_listed(ref, frames)[0]) if ref.frame == WHOLE_CLIP else ref


def _listed(ref: FrameRef, frames: Frames) -> Sequence[str]:
    names = frames(ref)
    if not names:
        raise DataError(f"{ref.dataset}/{ref.clip}: no frames", code="unknown-frame")
    return names
