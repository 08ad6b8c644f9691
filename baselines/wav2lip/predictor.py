"""Wav2Lip as in its published inference, frame by frame on demand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from baselines.checkpoints import States
from baselines.levels import array_from_levels, to_levels
from baselines.loaded_network import LoadedNetwork
from baselines.precision import PRECISIONS
from baselines.predictor import ModelError
from baselines.talking import Talk, TalkingPredictor
from baselines.wav2lip import face, finders
from baselines.wav2lip.mel import LEAST, RATE, Spectrogram, first_column
from baselines.wav2lip.network import Wav2Lip

NO_FACE = "no face in the template's frame"
NOT_FINITE = "the network gave numbers that are not finite"


class Wav2LipPredictor(LoadedNetwork, TalkingPredictor):
    """Redraw the lower half of the template's faces.

    Options, as in the published program: ``pads=top:bottom:left:right``, pixels added to boxes, by default 0:10:0:0;
    ``nosmooth=true``; ``box=y1:y2:x1:x2`` for all frames. ``finder=s3fd``: the published program's face detector, which
    needs its weights; default: BlazeFace, with other boxes. ``precision=bfloat16``: of the network.

    Makes two passes over the template: boxes, then frames. Differences from the published program: only a frame without
    a face fails, and the others are smoothed without it; every requested frame is made, the last ones with the last
    window of the sound.
    """

    options = ("pads", "nosmooth", "box", "finder")
    network: nn.ModuleDict

    @classmethod
    def load(
        cls, name: str, *, weights: Path | None, device: torch.device, options: Mapping[str, str] | None = None
    ) -> Self:
        made = super().load(name, weights=weights, device=device, options=options)
        if made.box is None:
            made.finder = finders.choose(options or {}, weights, device)
        return made

    @classmethod
    def read_shapes(cls, config: dict[str, Any], states: States) -> None:
        if "wav2lip" not in states:
            raise KeyError("wav2lip")

    def build(self, config: Mapping[str, Any], options: Mapping[str, str]) -> nn.ModuleDict:
        return nn.ModuleDict({"wav2lip": Wav2Lip()})

    def read_options(self, options: Mapping[str, str]) -> None:
        super().read_options(options)
        self.finder: finders.Finder | None = None
        self.pads = self._numbers(options.get("pads", ":".join(map(str, face.PADS))), "pads")
        self.box = self._numbers(options["box"], "box") if "box" in options else None
        if self.box is not None and not (self.box[0] < self.box[1] and self.box[2] < self.box[3]):
            raise ModelError(
                f"{self.name}: box is y1:y2:x1:x2, ends after starts, not {options['box']}", code="bad-value"
            )
        if idle := next((name for name in ("pads", "nosmooth", "finder") if self.box and name in options), None):
            raise ModelError(
                f"{self.name}: with box= there is no face detection, so {idle}= has no effect", code="unused-option"
            )
        if options.get("nosmooth", "false") not in ("true", "false"):
            raise ModelError(f"{self.name}: nosmooth is true or false, not {options['nosmooth']}", code="bad-value")
        self.smooth = options.get("nosmooth") != "true"

        if self.device.type == "cpu":  # a third faster; numbers change by rounding only
            for parameter in self.network.parameters():
                if parameter.ndim == 4:
                    parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)

    def conventions(self) -> dict[str, Any]:
        ends = {"end": "the last window of the sound again and again"}
        if self.box is not None or self.finder is None:
            return {"box": self.box, **ends}
        return {"finder": self.finder.name, "pads": self.pads, "smooth": self.smooth, **ends}

    def talk(self, talk: Talk) -> Iterator[Tensor | str]:
        if talk.sound.rate != RATE:
            raise ModelError(f"{self.name} needs {RATE} samples per second, not {talk.sound.rate}", code="bad-value")
        samples = talk.sound.cut(0.0, max(talk.sound.available(), LEAST))
        spectrogram = Spectrogram(samples)
        starts = [first_column(time) for time in talk.times]
        boxes = self._boxes(talk)
        template, at = talk.template(), 0
        while frames := list(islice(template, max(1, self.at_once))):
            windows = np.stack([spectrogram.window(start) for start in starts[at : at + len(frames)]])
            yield from self._made(frames, boxes[at : at + len(frames)], windows)
            at += len(frames)

    def _boxes(self, talk: Talk) -> Sequence[np.ndarray | None]:
        """Return a box ``(4,)`` y1, y2, x1, x2 for each frame of the template; None for a frame without a face."""
        if self.box is not None:
            return [np.array(self.box)] * len(talk.times)
        assert self.finder is not None  # set by `load`
        find = finders.CachedFinder(self.finder)
        found: list[np.ndarray | None] = []
        for frame in talk.template():
            image = _image(frame)
            at = find(image)
            found.append(None if at is None else face.boxes(at[None], image.shape[:2], self.pads)[0])
        there = [k for k, box in enumerate(found) if box is not None]
        if self.smooth and there:
            smoothed = face.smooth(np.stack([box for box in found if box is not None]))
            found = list(found)
            for k, box in zip(there, smoothed):
                found[k] = box
        return found

    def _made(
        self, frames: Sequence[Tensor], boxes: Sequence[np.ndarray | None], windows: np.ndarray
    ) -> Iterator[Tensor | str]:
        images = [np.ascontiguousarray(_image(frame)[..., ::-1]) for frame in frames]
        good = {k: box for k, box in enumerate(boxes) if box is not None and _inside(box, images[k])}
        made: dict[int, np.ndarray] = {}
        if good:
            crops = np.stack([face.crop(images[k], box) for k, box in good.items()])
            sounds, faces = torch.from_numpy(windows[list(good)]), torch.from_numpy(face.network_input(crops))
            made = dict(zip(good, self._predictions(sounds, faces)))
        for k, box in enumerate(boxes):
            if k in made and not np.isfinite(made[k]).all():  # converted to 8 bits they would be black
                yield NOT_FINITE
            elif k in made:
                pasted = face.paste(images[k], made[k], good[k])
                yield torch.from_numpy(array_from_levels(pasted[..., ::-1])).permute(2, 0, 1)
            else:
                yield NO_FACE if box is None else f"the box {tuple(map(int, box))} is not inside the frame"

    def _predictions(self, sounds: Tensor, faces: Tensor) -> np.ndarray:
        """Return ``(N, 3, 96, 96)``; on a CPU one by one, so that rounding does not depend on the batch."""
        size = len(sounds) if self.device.type != "cpu" else 1
        reduced = self.precision != PRECISIONS[0]
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=reduced):
            faces = faces.to(self.device, memory_format=torch.channels_last)
            parts = zip(sounds.to(self.device).split(size), faces.split(size))
            return torch.cat([self.network["wav2lip"](*part).float().cpu() for part in parts]).numpy()

    def _numbers(self, text: str, name: str) -> tuple[int, int, int, int]:
        numbers = [int(part) for part in text.split(":") if part.isascii() and part.isdecimal()]
        if len(numbers) != 4 or text.count(":") != 3:
            raise ModelError(
                f"{self.name}: {name} is four numbers of pixels, as in 0:10:0:0, not {text}", code="bad-value"
            )
        return numbers[0], numbers[1], numbers[2], numbers[3]


def _image(frame: Tensor) -> np.ndarray:
    """Convert a frame to uint8 RGB ``(H, W, 3)``."""
    return to_levels(frame).permute(1, 2, 0).cpu().numpy()


def _inside(box: np.ndarray, image: np.ndarray) -> bool:
    y1, y2, x1, x2 = box
    return bool(0 <= y1 < y2 <= image.shape[0] and 0 <= x1 < x2 <= image.shape[1])
