"""Check every frame of a list before a run begins."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from protocols import interruption
from protocols.datasets import Dataset
from protocols.errors import DataError
from protocols.notices import Notice
from protocols.pairs import WHOLE_CLIP, FrameRef, PairList
from protocols.words import counted

NAMED = 20


def missing_frames(refs: Sequence[FrameRef], datasets: Mapping[str, Dataset]) -> set[FrameRef]:
    """Return the frames of `refs` without a file; a whole clip (``*``) is missing if it has no frames."""
    missing: set[FrameRef] = set()
    for name, dataset in datasets.items():
        own = [ref for ref in refs if ref.dataset == name]
        missing.update(dataset.missing(ref for ref in own if ref.frame != WHOLE_CLIP))
        missing.update(ref for ref in own if ref.frame == WHOLE_CLIP and not dataset.frames(ref.clip))
    return missing


def refuse_missing(pairs: PairList, datasets: Mapping[str, Dataset]) -> list[FrameRef]:
    """Return the frames of a list. Raises DataError with the names of missing ones (up to `NAMED`)."""
    refs = pairs.refs()
    if missing := missing_frames(refs, datasets):
        roots = ", ".join(f"{name} in {dataset.root}" for name, dataset in datasets.items())
        names = [str(ref) for ref in refs if ref in missing]
        raise DataError(
            f"{len(missing)} of {len(refs)} frames are missing ({roots}): {_first(names, ', ')}",
            code="missing-frames",
        )
    return refs


@dataclass(frozen=True)
class Checked:
    """Frame size of a list, in pixels, and notices.

    others: (height, width) of the other clips, if whole clips keep their own sizes; the main one has the most frames.
    """

    height: int
    width: int
    notices: list[str]
    others: tuple[tuple[int, int], ...] = ()

    @property
    def size(self) -> str:
        return f"{self.width}x{self.height}" + (" and other sizes" if self.others else "")


def check_frames(pairs: PairList, datasets: Mapping[str, Dataset], size: int | None, by_clip: bool = False) -> Checked:
    """Check that every frame exists, and read the head of its file. datasets: each data set of the list.

    size: side that frames are resized to; None: they stay as stored, and must all have one size. by_clip: only driving
    frames and targets of a clip must have one size; sources may differ. Raises DataError with the names (up to `NAMED`)
    of missing frames, or of files that are not images or have another shape than the data set's, or with the sizes if
    there are several.
    """
    refs = refuse_missing(pairs, datasets)
    bad: dict[FrameRef, str] = {}
    sizes: dict[tuple[int, int], list[FrameRef]] = {}
    for ref in refs:
        interruption.check()
        dataset = datasets[ref.dataset]
        try:
            height, width = dataset.size(ref)
        except DataError as error:
            bad[ref] = str(error)
            continue
        if size and height != width and not dataset.crops:
            bad[ref] = f"{dataset.path(ref)}: {width}x{height} pixels, expected a square of {size}x{size}"
        else:
            sizes.setdefault((height, width), []).append(ref)
    if bad:
        reasons = list(dict.fromkeys(bad.values()))  # often one for all frames of a video
        raise DataError(
            f"{len(bad)} of {len(refs)} frames cannot be used: {_first(reasons, '; ')}", code="unusable-frames"
        )
    common = sorted(sizes, key=lambda found: -len(sizes[found]))
    if size is None and by_clip:
        _check_clips(pairs, {ref: found for found, own in sizes.items() for ref in own})
        compared = {ref for pair in pairs.pairs for ref in (pair.driving, pair.target) if ref}
        counts = Counter(found for found, own in sizes.items() for ref in own if ref in compared).most_common()
        if len(counts) == 1:
            return Checked(*counts[0][0], [])
        listed = ", ".join(f"{n} of {width}x{height}" for (height, width), n in counts[:NAMED])
        line = f"frames have {len(counts)} sizes; each clip is compared at its own size ({listed})"
        return Checked(*counts[0][0], [Notice(line, "several-sizes")], tuple(found for found, _ in counts[1:]))
    if size is None:
        if len(sizes) > 1:
            found = "; ".join(f"{len(sizes[h, w])} of {w}x{h}, such as {sizes[h, w][0]}" for h, w in common[:NAMED])
            raise DataError(
                f"the frames have {len(sizes)} sizes, and --size native does not resize them: {found}",
                code="frame-sizes-differ",
            )
        return Checked(*common[0], [])
    others = [found for found in common if found != (size, size)]
    if not others:
        return Checked(size, size, [])
    found = ", ".join(f"{len(sizes[h, w])} of {w}x{h}" for h, w in others[:3])
    count = sum(len(sizes[other]) for other in others)
    small = sum(len(sizes[other]) for other in others if min(other) < size)
    enlarged = f", {small} of them enlarged, which adds no detail" if small else ""
    line = f"{count} of {len(refs)} frames are not {size}x{size} ({found}); they are resized{enlarged}"
    return Checked(size, size, [Notice(line, "resized-frames")])


def _check_clips(pairs: PairList, sizes: Mapping[FrameRef, tuple[int, int]]) -> None:
    """Raise DataError for a clip whose driving frames and targets have several sizes."""
    found: dict[str, set[tuple[int, int]]] = {}
    for pair in pairs.pairs:
        found.setdefault(pair.clip, set()).update(sizes[ref] for ref in (pair.driving, pair.target) if ref)
    several = [clip for clip, own in found.items() if len(own) > 1]
    if several:
        shown = ", ".join(f"{width}x{height}" for height, width in sorted(found[several[0]]))
        raise DataError(
            f"frames of several sizes in {counted(len(several), 'clip')}, and --size native does not resize them: "
            f"{several[0]} of {shown}",
            code="frame-sizes-differ",
        )


def _first(texts: Sequence[str], separator: str) -> str:
    more = f" ... and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
    return separator.join(texts[:NAMED]) + more
