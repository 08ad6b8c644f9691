"""Crops of the clips of custom data: one box for all frames of a clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from protocols import crop
from protocols.crop import Cut, Mode
from protocols.errors import DataError
from protocols.folder import some
from protocols.notices import Notice

DEFAULT = "face unless framed"  # mode without --crop: crop around the face if it does not fill the frame


@dataclass(frozen=True)
class Crops:
    """mode: None for the default: crop around the face, unless the face fills a square frame already.

    cuts: by clip, if faces were detected; a clip without a cut gets its central square. finder: its signature.
    name: of the data set. sources: clips that are animated.
    """

    mode: Mode | None = "center"
    cuts: Mapping[str, Cut] = field(default_factory=dict)
    finder: str = ""
    name: str = ""
    sources: frozenset[str] = frozenset()

    def apply(self, image: np.ndarray, clip: str, what: object) -> np.ndarray:
        """Return the crop of a clip's frame ``(H, W, 3)``: a square; the whole frame in mode ``none``.

        Raises DataError, beginning with `what`, for a frame of another size than those with the detected face.
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
        """Return all that affects numbers, for the manifest."""
        facts: dict[str, Any] = {"mode": self.mode or DEFAULT}
        if self.finder:
            facts |= {"scale": crop.SCALE, "shift": crop.SHIFT, "finder": self.finder}
            facts |= {"clips": {clip: str(cut) for clip, cut in sorted(self.cuts.items())}}
        return facts

    def notices(self) -> list[Notice]:
        """Return lines for the user."""
        name, sources = self.name, self.sources
        if self.mode == "none":
            return [
                Notice(
                    f"{name}: frames are not cropped; those that are not square are squashed to a square", "squashed"
                )
            ]
        if not self.cuts:
            return [Notice(f"{name}: frames that are not square are cropped to their central square", "center-crop")]
        total = len(self.cuts)
        of = {how: [clip for clip, cut in self.cuts.items() if cut.how == how] for how in ("face", "framed", "center")}
        lines = []
        if of["face"]:
            line = f"{name}: {len(of['face'])} of {total} clips are cropped around the face (--crop)"
            lines.append(Notice(line, "face-crop"))
        if of["framed"]:
            line = f"{name}: {len(of['framed'])} of {total} clips are not cropped, since the face fills them"
            lines.append(Notice(line, "uncropped"))
        if of["center"]:
            first = sorted(of["center"], key=lambda clip: (clip not in sources, clip))
            named = some([f"{clip} (a source)" if clip in sources else clip for clip in first])
            line = f"{name}: NO FACE found in {len(first)} of {total} clips, which are cropped to their center: {named}"
            lines.append(Notice(line, "no-face"))
        if doubtful := sorted(clip for clip, cut in self.cuts.items() if cut.faces and 2 * cut.faces < cut.looked):
            named = some([f"{clip} ({self.cuts[clip].faces} of {self.cuts[clip].looked})" for clip in doubtful])
            line = f"{name}: the cropped face was found in less than half of the checked frames: {named}"
            lines.append(Notice(line, "rare-face"))
        return lines
