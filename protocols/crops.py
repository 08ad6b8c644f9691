"""How the clips of a user's data set are cut: one box for all frames of a clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from protocols import crop
from protocols.crop import Cut, FaceFinder, Mode
from protocols.errors import DataError
from protocols.folder import some
from protocols.pairs import FrameRef, PairList

if TYPE_CHECKING:
    from protocols.datasets import Dataset

FEW = 20  # clips that are looked at without a progress bar


@dataclass(frozen=True)
class Crops:
    """mode: None is the default: around the face, unless square frames are framed like that already.

    cuts: by clip, where faces were looked for; a clip without is cut to its central square. finder: its signature.
    name: of the data set. sources: clips that are to be animated.
    """

    mode: Mode | None = "center"
    cuts: Mapping[str, Cut] = field(default_factory=dict)
    finder: str = ""
    name: str = ""
    sources: frozenset[str] = frozenset()

    def apply(self, image: np.ndarray, clip: str, what: object) -> np.ndarray:
        """What is left of a frame ``(H, W, 3)`` of a clip: a square, in mode ``none`` all of it.

        Raises DataError, beginning with `what`, for a frame of another size than those that the face was found in.
        """
        cut, size = self.cuts.get(clip), image.shape[:2]
        if self.mode == "none" or (cut and cut.how == "framed" and size[0] == size[1]):
            return image
        if cut is None or cut.how != "face":
            return crop.center_square(image)
        if reason := cut.misfit(size):
            raise DataError(f"{what}: {reason}", code="frame-sizes-differ")
        return crop.cut(image, cut.box)

    def describe(self) -> dict[str, Any]:
        """For the manifest; all that moves a number."""
        facts: dict[str, Any] = {"mode": self.mode or "face unless framed"}
        if self.finder:
            facts |= {"scale": crop.SCALE, "shift": crop.SHIFT, "finder": self.finder}
            facts |= {"clips": {clip: str(cut) for clip, cut in sorted(self.cuts.items())}}
        return facts

    def notices(self) -> list[str]:
        """Lines that the user must see."""
        name, sources = self.name, self.sources
        if self.mode == "none":
            return [f"{name}: frames are not cut; those that are not square are squashed to a square"]
        if not self.cuts:
            return [f"{name}: of frames that are not square the central square is taken"]
        total = len(self.cuts)
        of = {how: [clip for clip, cut in self.cuts.items() if cut.how == how] for how in ("face", "framed", "center")}
        lines = []
        if of["face"]:
            lines.append(f"{name}: {len(of['face'])} of {total} clips are cut around the face (--crop)")
        if of["framed"]:
            lines.append(f"{name}: {len(of['framed'])} of {total} clips stay whole, the face fills them already")
        if of["center"]:
            first = sorted(of["center"], key=lambda clip: (clip not in sources, clip))
            named = some([f"{clip} (a source)" if clip in sources else clip for clip in first])
            lines.append(
                f"{name}: NO FACE found in {len(first)} of {total} clips, their central square is taken: {named}"
            )
        if doubtful := sorted(clip for clip, cut in self.cuts.items() if cut.faces and 2 * cut.faces < cut.looked):
            named = some([f"{clip} ({self.cuts[clip].faces} of {self.cuts[clip].looked})" for clip in doubtful])
            lines.append(f"{name}: the face that is cut out is in few of the frames looked at: {named}")
        return lines


def cut_custom(
    pairs: PairList,
    datasets: Mapping[str, Dataset],
    mode: Mode | None,
    finder: FaceFinder | None,
    size: int | None,
    progress: bool = True,
) -> dict[str, Crops]:
    """Decide how the frames of custom data are cut, and tell the data sets; by name, those that crop.

    size: that frames are brought to; None: they stay as they are stored. Raises DataError where a mode is asked for and
    nothing is cut, and what `find_crops` raises.
    """
    cropping = [name for name, dataset in datasets.items() if dataset.crops]
    if mode is not None and not cropping:
        raise DataError(
            f"--crop {mode}: nothing here is cut, {' and '.join(datasets)} is no custom data", code="unused-option"
        )
    if size is None:
        if mode in ("face", "center"):
            raise DataError(f"--crop {mode}: --size native leaves frames as they are stored", code="unused-option")
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
    """The crops of a data set's clips that are named in `refs`; each clip is looked at once.

    finder: None takes the central square where `mode` is None. Raises DataError, naming them, for frames of another
    size than those of their clip that the face was found in.
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
            f"{len(odd)} frames cannot be cut like their clip, give --crop center or none: {some(odd)}",
            code="frame-sizes-differ",
        )
    return Crops(mode, cuts, finder.signature)


def _look(dataset: Dataset, clip: str, finder: FaceFinder, always: bool) -> Cut | None:
    """The cut of a clip; None where none of its frames can be read, which its pairs will say."""
    names = dataset.frames(clip)
    frames: list[np.ndarray] = []
    for number in crop.looks(len(names)):
        try:
            frames.append(dataset.original(FrameRef(dataset.name, clip, names[number])))
        except DataError:
            continue
    same = [image for image in frames if image.shape == frames[0].shape]
    return crop.find(same, finder, always) if frames else None
