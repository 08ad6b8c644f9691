"""Prepare a list for a protocol: single frames, stretched if it requires it, with anchors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from protocols.augment import different_scale
from protocols.check import missing_frames
from protocols.datasets import Dataset
from protocols.errors import DataError
from protocols.expand import expanded
from protocols.pairs import WHOLE_CLIP, FrameRef, PairList
from protocols.protocol import SAME, Protocol


def stretched(pairs: PairList) -> bool:
    """Return whether a driving frame of the list is augmented."""
    return any((pair.alpha, pair.beta) != (1.0, 1.0) for pair in pairs.pairs)


def prepare(
    pairs: PairList,
    protocol: Protocol,
    datasets: Mapping[str, Dataset],
    variant: str | None,
    mode: str,
    allow_missing: bool,
) -> PairList:
    """Expand whole clips, apply the protocol's transform, and add anchors if the motion mode needs them.

    variant: one of the protocol's readings. allow_missing: leave out pairs with missing frames. Raises DataError for a
    list that does not fit the protocol.
    """
    if allow_missing:  # leave out clips that cannot be expanded to frames
        clips = [ref for ref in pairs.refs() if ref.frame == WHOLE_CLIP]
        pairs = pairs.available(missing_frames(clips, datasets))
    pairs = expanded(pairs, lambda ref: datasets[ref.dataset].frames(ref.clip))
    augmented = stretched(pairs)
    if protocol.transform == "none" and augmented:
        raise DataError(
            f"{protocol.name} does not stretch frames, but the pair list {pairs.name} does", code="wrong-pairs"
        )
    lacking = [pair.id for pair in pairs.pairs if pair.target is None]
    if protocol.reference == SAME and lacking and (protocol.roles is None or "target" in protocol.roles):
        raise DataError(
            f"{protocol.name} needs a target for every pair (both frames of one clip), but "
            f"{len(lacking)} of {len(pairs)} pairs of {pairs.name} have none (first: {lacking[0]})",
            code="wrong-pairs",
        )
    if protocol.transform == "expression-preserving" and not augmented:
        pairs = different_scale(pairs, variant or protocol.readings[0])
    if mode.startswith("relative"):
        pairs = _with_anchors(pairs, datasets)
    # After the transform, since factors of stretched frames depend on the position in the whole list.
    return pairs.available(missing_frames(pairs.refs(), datasets)) if allow_missing else pairs


def _with_anchors(pairs: PairList, datasets: Mapping[str, Dataset]) -> PairList:
    """Add the first frame of the driving clip as anchor to pairs without one."""
    lacking = {_clip(pair.driving): pair.driving for pair in pairs.pairs if pair.anchor is None}
    if not lacking:
        return pairs
    first = {clip: next(iter(datasets[ref.dataset].frames(ref.clip)), ref.frame) for clip, ref in lacking.items()}
    filled = tuple(
        pair if pair.anchor else replace(pair, anchor=replace(pair.driving, frame=first[_clip(pair.driving)]))
        for pair in pairs.pairs
    )
    note = {"anchors": "first frame of the driving clip", "without_anchors": pairs.sha256}
    return replace(pairs, pairs=filled, provenance={**pairs.provenance, **note})


def _clip(ref: FrameRef) -> tuple[str, str]:
    """Return a clip's full name: two data sets may have clips with the same name."""
    return ref.dataset, ref.clip
