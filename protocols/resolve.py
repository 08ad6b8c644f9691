"""Resolve a protocol to pairs whose frames are on this machine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache as remember
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from protocols import by_hand, sample_lists, sample_set, sound_set
from protocols.augment import augment
from protocols.catalogue import SAMPLE, Protocol
from protocols.check import check_frames
from protocols.clip_sampling import frames_of, make_clips
from protocols.clips import ClipList
from protocols.content import content_sha256
from protocols.crop import FaceFinder, Mode
from protocols.custom_dataset import IDENTITIES, open_dataset
from protocols.datasets import Dataset
from protocols.datasets import names as dataset_names
from protocols.errors import DataError
from protocols.find_crops import cut_custom
from protocols.notices import Notice
from protocols.pairs import FrameRef, Pair, PairList
from protocols.prepare import prepare, stretched
from protocols.protocol import SAMPLES, TALK
from protocols.published import FROZEN_PREFIX, RULES, frozen_name, read_pairs, recognize
from protocols.rendezvous import rendezvous_pairs
from protocols.roots import data_used, how, refuse_unused
from protocols.sampling import make_pairs
from protocols.stretches import stretches
from protocols.words import counted

List = TypeVar("List", PairList, ClipList)


@dataclass(frozen=True)
class LoadedPair:
    """The frames of a pair, RGB uint8 ``(S, S, 3)``; `driving` and `anchor` are already augmented.

    Equal frames are one array.
    """

    source: np.ndarray
    driving: np.ndarray
    target: np.ndarray | None
    anchor: np.ndarray | None


@dataclass(frozen=True)
class Resolved:
    """A protocol with its pairs, all frames of which exist.

    frame_size: side that frames are resized to; None: as stored. shape: their height and width.
    data_sha256, clips_sha256: of the frames' files, all together and by clip (`content.content_sha256`).
    notices: lines that the user must see. provenance: where the pairs and frames come from, for the manifest.
    crop: crops of custom data, by data set; empty without crops. clips: the clips of the pairs, in a protocol of whole
    clips. Clips may have different sizes: `shape` is the one of most frames, `other_shapes` are the others.
    """

    protocol: Protocol
    pair_list: PairList
    datasets: Mapping[str, Dataset]
    is_sample: bool
    frame_size: int | None
    shape: tuple[int, int]
    data_sha256: str
    clips: ClipList | None = None
    clips_sha256: dict[str, str] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    provenance: dict[str, Any] = field(default_factory=dict)
    crop: dict[str, Any] = field(default_factory=dict)
    other_shapes: tuple[tuple[int, int], ...] = ()

    @property
    def shapes(self) -> tuple[tuple[int, int], ...]:
        """Return every (height, width) of driving frames and targets, the one of most frames first."""
        return self.shape, *self.other_shapes

    @cached_property
    def _still(self) -> Callable[[FrameRef], np.ndarray]:
        """Return a cached decoder for sources and anchors of whole clips, which recur in every frame."""
        return lru_cache(maxsize=8)(lambda ref: self.datasets[ref.dataset].frame(ref, self.frame_size))

    def source(self, pair: Pair) -> np.ndarray:
        """Decode only the source of a pair, as `load` does. Raises DataError if it cannot be read."""
        return self._still(pair.source)

    def load(self, pair: Pair) -> LoadedPair:
        """Decode the frames of a pair, each once. Raises DataError if one cannot be read."""
        stored: dict[FrameRef, np.ndarray] = {}

        def frame(ref: FrameRef, stretched: bool = False) -> np.ndarray:
            if pair.clip and ref in (pair.source, pair.anchor):
                return self._still(ref)
            if ref not in stored:  # a driving frame is often the target, too
                stored[ref] = self.datasets[ref.dataset].frame(ref, self.frame_size)
            unchanged = not stretched or (pair.alpha, pair.beta) == (1.0, 1.0)
            return stored[ref] if unchanged else augment(stored[ref], pair.alpha, pair.beta)

        # the anchor is a frame of the same driving video, which is stretched as a whole
        source, driving = frame(pair.source), frame(pair.driving, True)
        target = frame(pair.target) if pair.target else None
        return LoadedPair(source, driving, target, frame(pair.anchor, True) if pair.anchor else None)


def resolve(
    protocol: Protocol,
    roots: Mapping[str, Path],
    cache: Path,
    *,
    asked: Collection[str] = (),
    follow_links: bool = False,
    crop: Mode | None = None,
    finder: FaceFinder | None = None,
    sample: bool = False,
    require_data: bool = False,
    pair_file: Path | None = None,
    clips: ClipList | None = None,
    limit: int | None = None,
    seed: int = 0,
    variant: str | None = None,
    mode: str | None = None,
    allow_missing: bool = False,
    progress: bool = True,
) -> Resolved:
    """Return the pairs of a protocol, after checking that every frame exists.

    roots: configured data set folders, by name. asked: those that must be used; `data_used` returns which ones the run
    reads. follow_links: allow links out of them. crop: how custom data are cropped (`find_crops.cut_custom`, with
    finder). cache: folder of the built sample set. sample: use the sample set. require_data: never use it. pair_file: a
    frozen or published list instead of the protocol's own (a clip list for a protocol of whole clips); its data sets
    need roots. clips: such a clip list, not from a file. limit: only this number of first pairs or clips. seed: for
    drawing pairs if there is a root and no list. variant: one of the protocol's readings. mode: motion mode, if not the
    protocol's; relative modes use the driving clip's first frame as anchor if the list names none.
    allow_missing: leave out pairs with missing frames, and state it in notices and provenance.
    Raises DataError for everything that would stop the run later; it names all missing frames at once.
    """
    if variant is not None and variant not in protocol.readings:
        known = ", ".join(protocol.readings) or "none"
        raise DataError(f"{protocol.name} has no reading {variant!r} (known: {known})", code="unknown-reading")
    opened = opener(roots, cache, progress, follow_links)
    listed: PairList | ClipList | None = clips
    if pair_file is not None and protocol.shape == "clip":
        listed = ClipList.read(pair_file)
    elif pair_file is not None:
        listed = _of_file(protocol, pair_file, roots, asked or ([SAMPLE] if sample else ()), opened, allow_missing)
    names = listed.datasets() if listed else None
    used = data_used(protocol, roots, asked=asked, sample=sample, require_data=require_data, listed=names)
    refuse_unused(asked, used, protocol.name if listed is None else f"the list {listed.name}")
    chosen, provenance, notices = _chosen(protocol, listed, used, opened, seed, variant)
    datasets = {name: opened(name) for name in chosen.datasets()}
    notices += _about(datasets)
    if isinstance(chosen, ClipList):
        if allow_missing:
            raise DataError("--allow-missing leaves out pairs; --limit shortens a list of clips", code="unused-option")
        clips, limit = _first(chosen, limit, "clip", notices), None
        pairs, lines = frames_of(clips, datasets, mode or protocol.mode)
        notices += lines
    else:
        pairs = chosen
    if variant and listed is not None and (clips is not None or stretched(pairs)):
        state = "names its templates" if clips is not None else "is already stretched"
        raise DataError(f"the list {listed.name} {state}: --reading {variant} has no effect", code="unused-option")
    pairs = prepare(pairs, protocol, datasets, variant, mode or protocol.mode, allow_missing)
    if part := pairs.provenance.get("at_hand"):
        line = f"SUBSET: {part['n']} of the {part['of_n']} pairs of {pairs.name} have all their frames"
        notices.append(Notice(line, "subset"))
    pairs = _first(pairs, limit, "pair", notices)
    built_in = next((name for name in SAMPLES if name in datasets), None)
    is_sample = built_in is not None
    frame_size = sample_set.recipe()["size"] if is_sample and not protocol.custom else protocol.frame_size
    checked = check_frames(pairs, datasets, frame_size, by_clip=clips is not None)
    notices += checked.notices
    crops = cut_custom(pairs, datasets, crop, finder, frame_size, progress)
    notices += [line for crop_of in crops.values() for line in crop_of.notices()]
    provenance["reading"] = {name: dataset.reading.summary() for name, dataset in datasets.items()}
    for name, dataset in datasets.items():
        notices += [Notice(f"{name}: {line}", line.code) for line in dataset.reading.notices()]
    if built_in:
        why = "as requested" if sample or pair_file else f"no folder is configured for {protocol.dataset}"
        provenance["sample_set"] = sample_set.content_hash(datasets[built_in].root)
        notices = [*_of_sample(built_in, why, provenance["sample_set"], notices)]
    if follow_links:
        provenance["follow_links"] = True
    found = pairs.counts()
    if clips is None:
        what = f"{counted(found['pairs'], 'pair')} of {counted(found['clips'], 'clip')}"
    else:
        what = f"{counted(found['pairs'], 'frame')} of {counted(len(clips), 'clip')}"
    counts = f"{what}, {counted(found['identities'], 'identity', 'identities')}"
    provenance["roots"] = {name: str(dataset.root) for name, dataset in datasets.items()}
    data_sha256, clips_sha256 = content_sha256(pairs.refs(), datasets)
    return Resolved(
        protocol.of(datasets, counts, checked.size),
        pairs,
        datasets,
        is_sample,
        frame_size,
        shape=(checked.height, checked.width),
        other_shapes=checked.others,
        clips=clips,
        data_sha256=data_sha256,
        clips_sha256=clips_sha256,
        notices=notices,
        provenance=provenance,
        crop={name: crop_of.describe() for name, crop_of in crops.items()},
    )


def _chosen(
    protocol: Protocol,
    listed: PairList | ClipList | None,
    used: Sequence[str],
    opened: Callable[[str], Dataset],
    seed: int,
    variant: str | None,
) -> tuple[PairList | ClipList, dict[str, Any], list[str]]:
    """Return pairs or clips (of the user's list, of the sample set, or drawn), their origin, and notices."""
    notices: list[str] = []
    whole, of_sample = protocol.shape == "clip", tuple(used) == (SAMPLE,)
    if listed is not None:
        return _named(listed, "file", notices)
    if whole:
        dataset = opened(protocol.sample_set if of_sample else used[0])
        clips = make_clips(dataset, protocol, 0 if of_sample else seed, reading=variant)
        if not of_sample:
            drawn = f"seed {seed}" if protocol.driven_by == "frames" else "people and seconds by a fixed rule"
            line = f"no clip list given: {counted(len(clips), 'clip')} of {used[0]}, {drawn}"
            notices.append(Notice(line, "drawn-list"))
        elif protocol.adapt is not None:
            there = sum(one.seconds for one in stretches(protocol, dataset) if one.use == "adapt")
            line = f"the sound set has {there:g} s for adaptation, not {protocol.adapt:g} s"
            notices.append(Notice(line, "short-adaptation"))
        return _named(clips, "sample" if of_sample else "sampled", notices)
    if of_sample:
        pairs, origin = sample_lists.load(protocol.sample, variant), "sample"
    else:
        pairs, origin = draw(opened(used[0]), protocol, seed), "sampled"
        drawn = f"no pair list given: {counted(len(pairs), 'pair')} drawn by the authors' strategy with seed {seed}"
        drawn += f" from {counted(pairs.counts()['clips'], 'clip')}"
        if protocol.frozen:
            drawn += f"; for the same list on every machine use --pairs {FROZEN_PREFIX}{protocol.frozen}"
        elif len(pairs) < protocol.n:
            drawn += f", all possible ones (fewer than {protocol.n})"
        notices.append(Notice(drawn, "drawn-list" if len(pairs) >= protocol.n else "all-pairs"))
    return _named(pairs, origin, notices)


def _named(
    pairs: PairList | ClipList, origin: str, notices: list[str]
) -> tuple[PairList | ClipList, dict[str, Any], list[str]]:
    """Return a list with its origin, and its name if it is a published one."""
    provenance = {"pairs_from": origin}
    if published := recognize(pairs.sha256):
        provenance["published"] = published["name"]
        line = f"this is the published list {published['name']} ({published['summary']})"
        notices.append(Notice(line, "published-list"))
    return pairs, provenance, notices


def _first(pairs: List, limit: int | None, what: str, notices: list[str]) -> List:
    """Return the first `limit` entries of a list."""
    if limit is None:
        return pairs
    if limit > len(pairs):
        line = f"the list has {counted(len(pairs), what)}, fewer than the requested {limit}"
        notices.append(Notice(line, "short-list"))
    return pairs.head(limit)


def _about(datasets: Mapping[str, Dataset]) -> list[str]:
    """Return lines on files that are not read, and on missing identities."""
    lines: list[str] = []
    for dataset in datasets.values():  # plug-ins return lines without a code
        lines += [line if isinstance(line, Notice) else Notice(line) for line in dataset.left_out()]
    for name, dataset in datasets.items():
        if name not in (*SAMPLES, *dataset_names()) and not (dataset.root / IDENTITIES).is_file():
            line = f"{name}: file or folder names are used as identities, because there is no {IDENTITIES}"
            lines.append(Notice(line, "no-identities"))
    return lines


def _of_sample(name: str, why: str, sha256: str, notices: Iterable[str]) -> Iterator[str]:
    """Return the lines of a run on the sample set or the sound set; the first one names the set."""
    what, recipe = ("sound", sound_set.recipe()) if name == TALK else ("sample", sample_set.recipe())
    yield Notice(f"{what.upper()} SET ({why}): the numbers are not comparable with any paper's", f"{what}-set")
    yield from notices
    if sha256 != recipe["content_sha256"]:
        line = f"the {what} set's content differs from the reference build: numbers may differ slightly"
        yield Notice(line, "other-build")


def draw(dataset: Dataset, protocol: Protocol, seed: int, **other: Any) -> PairList:
    """Return pairs of a data set by a protocol's strategy; `other` options of `make_pairs` override the protocol's."""
    options = {"n": protocol.n, "split": protocol.split, "videos": protocol.videos, "fewer": protocol.custom}
    return make_pairs(dataset, protocol.strategy, seed=seed, **options | other)


def _of_file(
    protocol: Protocol,
    pair_file: Path,
    roots: Mapping[str, Path],
    names: Collection[str],
    opened: Callable[[str], Dataset],
    allow_missing: bool,
) -> PairList:
    """Return the user's list; a rule is applied to the protocol's data set. names: data sets of the command line."""
    named = frozen_name(pair_file)
    if named == protocol.name and named in RULES:
        data_used(protocol, roots, require_data=True)
        return rendezvous_pairs(opened(protocol.dataset), protocol)
    if named is None and by_hand.is_one(pair_file, names):
        try:
            return by_hand.read(pair_file, list(names or roots), opened)
        except DataError as error:
            if not allow_missing:
                raise
            why = "--allow-missing does not work with a list written by hand; `pairs import` it with all data first"
            raise DataError(f"{error}; {why}", code=error.code) from None
    return read_pairs(pair_file)


def opener(
    roots: Mapping[str, Path], cache: Path, progress: bool = True, follow_links: bool = False
) -> Callable[[str], Dataset]:
    """Return a function that opens a data set by name, once. It raises DataError for a missing or wrong root."""

    @remember
    def opened(name: str) -> Dataset:
        if name == SAMPLE:
            return sample_set.open(cache, progress)
        if name == TALK:
            return sound_set.open(cache, progress)
        if name.lower() not in roots:
            raise DataError(f"the pair list needs the data set {name}: {how(name)}", code="missing-data")
        return open_dataset(name, roots[name.lower()], follow_links)

    return opened
