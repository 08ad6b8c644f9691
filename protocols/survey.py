"""Survey of a pair list's frames on this machine, since videos of published lists disappear from the web."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from protocols.check import missing_frames
from protocols.datasets import Dataset
from protocols.errors import DataError
from protocols.pairs import FrameRef, PairList


@dataclass(frozen=True)
class Count:
    """Of a clip or an identity: number of frames in the list, of existing ones; and the same for its pairs."""

    frames: int = 0
    frames_there: int = 0
    pairs: int = 0
    pairs_there: int = 0

    @property
    def state(self) -> str:
        """Return ``whole``, ``partly`` or ``gone``, from its own frames."""
        return "whole" if self.frames_there == self.frames else "partly" if self.frames_there else "gone"


@dataclass(frozen=True)
class Survey:
    """total: of the list. clips: by ``dataset/clip``; identities: by name; both sorted. missing: in list order."""

    total: Count
    clips: Mapping[str, Count]
    identities: Mapping[str, Count]
    missing: tuple[FrameRef, ...]


def survey(pairs: PairList, datasets: Mapping[str, Dataset]) -> Survey:
    """Look for every frame of a list. A pair counts if all its frames exist; a whole clip counts as one frame.

    datasets: all data sets of the list, by name. Reads no pictures. Raises DataError if one is missing.
    """
    refs = pairs.refs()
    if unknown := {ref.dataset for ref in refs} - datasets.keys():
        raise DataError(f"the pair list needs the data set {min(unknown)}, which is not given", code="missing-data")
    lost = missing_frames(refs, datasets)
    frames: dict[tuple[str, str], list[bool]] = {}
    asked: dict[tuple[str, str], list[bool]] = {}
    owner = {
        f"{ref.dataset}/{ref.clip}": identity
        for pair in pairs.pairs
        for ref, identity in zip(
            (pair.driving, pair.target, pair.anchor, pair.source),
            (*(pair.driving_identity,) * 3, pair.source_identity),
        )
        if ref is not None
    }
    for ref in refs:
        clip = f"{ref.dataset}/{ref.clip}"
        for key in (("clip", clip), ("identity", owner[clip])):
            frames.setdefault(key, []).append(ref not in lost)
    there = [not any(ref in lost for ref in pair.refs()) for pair in pairs.pairs]
    for pair, whole in zip(pairs.pairs, there):
        clips = {f"{ref.dataset}/{ref.clip}" for ref in pair.refs()}
        for key in {("clip", clip) for clip in clips} | {("identity", owner[clip]) for clip in clips}:
            asked.setdefault(key, []).append(whole)
    counts = {key: Count(len(f), sum(f), len(asked[key]), sum(asked[key])) for key, f in sorted(frames.items())}
    return Survey(
        Count(len(refs), len(refs) - len(lost), len(there), sum(there)),
        {name: count for (kind, name), count in counts.items() if kind == "clip"},
        {name: count for (kind, name), count in counts.items() if kind == "identity"},
        tuple(ref for ref in refs if ref in lost),
    )
