"""The clips of a protocol of whole videos, on a local copy of the data."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from protocols import frame_numbers
from protocols.clips import Clip, ClipList
from protocols.datasets import Dataset
from protocols.draw import Draws
from protocols.errors import DataError
from protocols.folder import some
from protocols.matching import stem
from protocols.notices import Notice
from protocols.pairs import WHOLE_CLIP, FrameRef, PairList, safe_id
from protocols.protocol import OWN_TEMPLATE, Protocol
from protocols.stretches import stretches, template_of
from protocols.words import counted

_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")
_ID = 190  # characters of a clip's id; those of its frames have 7 more


def make_clips(
    dataset: Dataset, protocol: Protocol, seed: int = 0, n: int | None = None, reading: str | None = None
) -> ClipList:
    """Return the clips of a protocol on a data set; the same data and seed give the same list on every machine.

    n: number of clips; by default the protocol's, or all. reading: one of the protocol's. Raises DataError if there are
    none.
    """
    if protocol.driven_by == "sound":
        return _talking(dataset, protocol, n, reading or protocol.readings[0])
    names = [name for name in dataset.clips(protocol.split) if len(dataset.frames(name)) > 1]
    if not names:
        raise DataError(
            f"data set {dataset.name}: no clip with more than one frame in {dataset.root}", code="too-few-clips"
        )
    draws = Draws(seed, protocol.strategy)
    drawn = STRATEGIES[protocol.strategy](dataset, names, draws)
    limit = n or protocol.n
    chosen = sorted(draws.some(drawn, limit)) if limit < len(drawn) else drawn
    ids = ids_of([f"{source}--{driving}" if source != driving else driving for source, driving in chosen])
    clips = tuple(_clip(dataset, protocol, *pair, identifier) for pair, identifier in zip(chosen, ids))
    origin = {"strategy": protocol.strategy, "seed": seed, "split": protocol.split, "dataset": dataset.name}
    return ClipList(protocol.name, protocol.version, clips, {"sampled": origin})


def frames_of(clips: ClipList, datasets: Mapping[str, Dataset], mode: str) -> tuple[PairList, list[str]]:
    """Return all frames of clips as pairs, and notices on their times. mode: motion mode.

    Raises DataError if a clip's frames have no known times (`Dataset.times`).
    """

    @cache
    def frames(ref: FrameRef) -> tuple[Sequence[str], Sequence[float]]:
        return datasets[ref.dataset].frames(ref.clip), datasets[ref.dataset].times(ref.clip)

    lines: list[str] = []
    refs = [ref for clip in clips.clips for ref in (clip.source, clip.driving, clip.target) if ref is not None]
    for name in (name for name in clips.datasets() if datasets[name].assumed_rate):
        own = {ref.clip: frames(ref)[0] for ref in refs if ref.dataset == name and ref.frame == WHOLE_CLIP}
        lines += notices_on_times(name, datasets[name].rate, own)
    return clips.pairs(frames, mode.startswith("relative")), lines


def notices_on_times(what: str, rate: float, clips: Mapping[str, Sequence[str]]) -> list[str]:
    """Return notices on frames whose times no file states. what: the data, for the user. clips: their frames' names."""
    assumed = f"{rate:g} per second"
    lines: list[str] = [Notice(f"{what}: frames have no time stamps; {assumed} are assumed", "assumed-rate")]
    steps = {clip: _step(names) for clip, names in clips.items() if len(names) > 1}
    if wide := [f"{clip} ({step})" for clip, step in steps.items() if step is not None and step > 1]:
        which = f"frame numbers in steps of more than 1 in {counted(len(wide), 'clip')}: {some(wide)}"
        lines.append(Notice(f"{what}: {which}; the numbered frames themselves are read at {assumed}", "frame-step"))
    if bare := [clip for clip, step in steps.items() if step is None]:
        which = f"no frame numbers in {counted(len(bare), 'clip')}: {some(bare)}"
        lines.append(Notice(f"{what}: {which}; frames are read in the order of their names", "unnumbered-frames"))
    return lines


def _step(names: Sequence[str]) -> int | None:
    try:
        return frame_numbers.step(names)
    except DataError:  # of a package's data set, which has times for them
        return 1


def _clip(dataset: Dataset, protocol: Protocol, source: str, driving: str, identifier: str) -> Clip:
    whole, same = FrameRef(dataset.name, driving, WHOLE_CLIP), source == driving
    return Clip(
        identifier,
        FrameRef(dataset.name, source, WHOLE_CLIP),
        whole,
        whole if same else None,
        None,
        dataset.identity(source),
        dataset.identity(driving),
        end=protocol.seconds,
    )


def _talking(dataset: Dataset, protocol: Protocol, n: int | None, reading: str) -> ClipList:
    """Return one clip per test stretch of `stretches`, independent of the seed; the reading decides its template."""
    listed = stretches(protocol, dataset, training=False)
    tests = [one for one in listed if one.use == "test"][: n or protocol.n]
    clips = []
    for test, identifier in zip(tests, ids_of([test.clip for test in tests])):
        template = test if reading == OWN_TEMPLATE else template_of(test, listed)
        shown, truth = (FrameRef(dataset.name, one.clip, WHOLE_CLIP) for one in (template, test))
        clips.append(
            Clip(
                identifier,
                shown,
                truth,
                truth,
                None,
                test.identity,
                test.identity,
                start=test.start,
                end=test.end,
                template=template.start,
                template_end=template.end,
            )
        )
    origin = {"strategy": protocol.strategy, "reading": reading, "split": protocol.split, "dataset": dataset.name}
    return ClipList(protocol.name, protocol.version, tuple(clips), {"sampled": origin})


def _reconstruction(dataset: Dataset, names: list[str], draws: Draws) -> list[tuple[str, str]]:
    """Reconstruct every video from its own first frame (FOMM, NeurIPS 2019)."""
    return [(name, name) for name in names]


def _cross_identity(dataset: Dataset, names: list[str], draws: Draws) -> list[tuple[str, str]]:
    """Let every video drive a random picture, or first frame of a video, of another identity."""
    sources: dict[str, list[str]] = {}
    for clip in dataset.clips():
        if dataset.frames(clip):
            sources.setdefault(dataset.identity(clip), []).append(clip)
    pairs = []
    for name in names:
        others = [identity for identity in sorted(sources) if identity != dataset.identity(name)]
        if not others:
            raise DataError(
                f"data set {dataset.name}: only one identity, {dataset.identity(name)}; two are needed",
                code="too-few-identities",
            )
        pairs.append((draws.one(sources[draws.one(others)]), name))
    return pairs


STRATEGIES: dict[str, Callable[[Dataset, list[str], Draws], list[tuple[str, str]]]] = {
    "reconstruction": _reconstruction,
    "cross-identity-video": _cross_identity,
}


def ids_of(names: Sequence[str]) -> list[str]:
    """Return ids for clips: their names without folders, with a number if these are not unique."""
    short = ["--".join(stem(part) for part in name.split("--")) for name in names]
    plain = [_UNSAFE.sub("_", one).lstrip(".")[:_ID] or "clip" for one in short]
    counts = {one: plain.count(one) for one in set(plain)}
    ids = [one if counts[one] == 1 else f"{position:04d}_{one}" for position, one in enumerate(plain)]
    assert all(map(safe_id, ids))
    return ids
