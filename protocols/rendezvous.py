"""Pair lists as rules, for data sets without published clip names, for which no list can be frozen.

Each choice is the candidate with the lowest hash (rendezvous hashing: Thaler and Ravishankar, IEEE/ACM Trans.
Networking 1998). So the same clips give the same pairs everywhere. If a clip or frame is missing, only the pairs with
it change (and any pair that would then occur twice); with a seeded draw all pairs would change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from protocols.catalogue import Protocol
from protocols.datasets import Dataset
from protocols.errors import DataError
from protocols.pairs import FrameRef, PairList
from protocols.sampling import SEEN_VIDEOS, pair_of

_ATTEMPTS = 100


def rendezvous_pairs(dataset: Dataset, protocol: Protocol) -> PairList:
    """Return the same-identity pairs of a protocol's rule: `protocol.n` pairs from its number of videos.

    seen-identity: leaves each identity at least one other clip. Raises DataError if the data have too few pairs.
    """
    rule = f"{protocol.name}-1"
    clips = dataset.clips(protocol.split)
    wanted = protocol.videos
    if protocol.strategy == "seen-identity":
        clips, wanted = _with_another(rule, dataset, clips), SEEN_VIDEOS
    frames = _frames_of_first(dataset, ranked(rule, clips, "clip"), wanted)
    if not frames:
        raise DataError(
            f"data set {dataset.name}: no clips for {protocol.name} in {dataset.root}", code="too-few-clips"
        )
    found: dict[tuple[FrameRef, FrameRef], None] = {}
    for number in range(protocol.n):
        for attempt in range(_ATTEMPTS):
            clip = ranked(rule, frames, "pair", number, attempt)[0]
            source, driving = ranked(rule, frames[clip], "frames", number, attempt, clip)[:2]
            pair = FrameRef(dataset.name, clip, source), FrameRef(dataset.name, clip, driving)
            if pair not in found:
                found[pair] = None
                break
        else:
            raise DataError(
                f"{dataset.name}: only {len(found)} different pairs were found, not {protocol.n}", code="too-few-pairs"
            )
    width = max(4, len(str(protocol.n - 1)))
    identities = {clip: dataset.identity(clip) for clip in frames}
    pairs = (
        pair_of(f"{number:0{width}d}", *pair, identities[pair[0].clip], identities[pair[0].clip])
        for number, pair in enumerate(found)
    )
    return PairList(f"frozen-{protocol.name}", 1, tuple(pairs), {"rule": rule, "clips": len(frames)})


def ranked(rule: str, names: Iterable[str], *purpose: object) -> list[str]:
    """Return `names`, sorted by the hash of rule, purpose and name."""
    start = hashlib.sha256("\0".join(map(str, (rule, *purpose, ""))).encode(errors="surrogateescape"))

    def rank(name: str) -> bytes:
        digest = start.copy()
        digest.update(name.encode(errors="surrogateescape"))  # a file name may be any bytes
        return digest.digest()

    return sorted(names, key=rank)


def _with_another(rule: str, dataset: Dataset, clips: Sequence[str]) -> list[str]:
    """Return the clips minus one per identity, so that each identity has one that is not used."""
    people: dict[str, list[str]] = {}
    for clip in ranked(rule, clips, "kept"):
        people.setdefault(dataset.identity(clip), []).append(clip)
    return [clip for of_one in people.values() for clip in of_one[1:]]


def _frames_of_first(dataset: Dataset, clips: Iterable[str], wanted: int | None) -> dict[str, list[str]]:
    """Return the frames of the first `wanted` clips with at least two frames."""
    found: dict[str, list[str]] = {}
    for clip in clips:
        if len(frames := dataset.frames(clip)) >= 2:
            found[clip] = frames
            if len(found) == wanted:
                break
    return found
