"""Find the faces in the clips of custom data, which decide how frames are cropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from rich.console import Console
from rich.progress import Progress

from protocols import crop
from protocols.crop import Cut, FaceFinder, Mode
from protocols.crops import Crops
from protocols.datasets import Dataset
from protocols.errors import DataError
from protocols.folder import some
from protocols.pairs import FrameRef, PairList

FEW = 20  # clips that are searched without a progress bar


def cut_custom(
    pairs: PairList,
    datasets: Mapping[str, Dataset],
    mode: Mode | None,
    finder: FaceFinder | None,
    size: int | None,
    progress: bool = True,
) -> dict[str, Crops]:
    """Decide how the frames of custom data are cropped, and set it in the data sets; return the crops by name.

    size: of the resized frames; None: as stored. Raises DataError if a mode is requested and nothing is cropped, and
    what `find_crops` raises.
    """
    cropping = [name for name, dataset in datasets.items() if dataset.crops]
    if mode is not None and not cropping:
        raise DataError(
            f"--crop {mode}: only custom data are cropped, and {' and '.join(datasets)} is not", code="unused-option"
        )
    if size is None:
        if mode in ("face", "center"):
            raise DataError(f"--crop {mode}: --size native does not crop frames", code="unused-option")
        return {}
    for name in cropping:
        refs = [ref for ref in pairs.refs() if ref.dataset == name]
        sources = frozenset(pair.source.clip for pair in pairs.pairs if pair.source.dataset == name)
        found = find_crops(datasets[name], refs, mode, finder, progress)
        datasets[name].crop = replace(found, name=name, sources=sources)
    return {name: datasets[name].crop for name in cropping}


def find_crops(
    dataset: Dataset, refs: Sequence[FrameRef], mode: Mode | None, finder: FaceFinder | None, progress: bool = True
) -> Crops:
    """Return the crops of a data set's clips in `refs`; faces are detected once per clip.

    finder: None means the central square if `mode` is None. Raises DataError for frames of another size than those of
    their clip in which the face was found.
    """
    if mode in ("center", "none") or finder is None:
        if mode == "face":
            raise ValueError("a face crop needs a finder")
        return Crops(mode or "center")
    clips: dict[str, list[FrameRef]] = {}
    for ref in refs:
        clips.setdefault(ref.clip, []).append(ref)
    cuts: dict[str, Cut] = {}
    odd: list[str] = []
    with Progress(console=Console(stderr=True), transient=True, disable=not progress or len(clips) <= FEW) as bar:
        for clip in bar.track(clips, description=f"{dataset.name}: looking for faces"):
            cut = _look(dataset, clip, finder, always=mode == "face")
            if cut is None:
                continue
            cuts[clip] = cut
            if cut.how == "face":
                misfits = ((ref, cut.misfit(dataset.size(ref))) for ref in clips[clip])
                odd += [f"{ref}: {reason}" for ref, reason in misfits if reason]
    if odd:
        raise DataError(
            f"{len(odd)} frames cannot be cropped like their clip; use --crop center or none: {some(odd)}",
            code="frame-sizes-differ",
        )
    return Crops(mode, cuts, finder.signature)


def _look(dataset: Dataset, clip: str, finder: FaceFinder, always: bool) -> Cut | None:
    """Return the crop of a clip; None if none of its frames can be read, which its pairs will report."""
    names = dataset.frames(clip)
    frames: list[np.ndarray] = []
    for number in crop.looks(len(names)):
        try:
            frames.append(dataset.original(FrameRef(dataset.name, clip, names[number])))
        except DataError:
            continue
    same = [image for image in frames if image.shape == frames[0].shape]
    return crop.find(same, finder, always) if frames else None
