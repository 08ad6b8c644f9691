"""MemFace as a predictor driven by sound: both stages, frame by frame."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from baselines.memface import view
from baselines.memface.drawing import Drawing, of_face_mesh
from baselines.memface.loading import Loaded, load
from baselines.memface.renderer import ExplicitMemory, Renderer
from baselines.memface.scene import Scene, scene, tensors
from baselines.memface.speaker import Speaker
from baselines.memface.template import NO_FACE, Template, as_picture, look
from baselines.memface.variants import MOTION_MODES
from baselines.predictor import ModelError
from baselines.talking import Talk, TalkingPredictor

log = logging.getLogger(__name__)
Job = tuple[Tensor, Scene | None]
NO_FACE_AT_ALL = "no frame of the template has a face"


class MemFacePredictor(TalkingPredictor):
    """MemFace: predicts faces from sound, draws them in the template's head poses, and renders them into its frames.

    Reads the template twice: once for head poses and the person's shape, once for the frames.
    """

    motion_modes = MOTION_MODES

    def __init__(
        self,
        name: str,
        speaker: Speaker,
        renderer: Renderer,
        device: torch.device,
        facts: Mapping[str, Any] | None = None,
    ):
        """Set the stages. facts: on files, features and memory, for `describe`."""
        self.name, self.speaker, self.device = name, speaker, device
        self.renderer = renderer.eval().requires_grad_(False).to(device)
        self.drawing: Drawing = of_face_mesh()
        self._facts = dict(facts or {})
        self._pairs: dict[str, int] = {}
        self._lost: dict[int, str] = {}

    @classmethod
    def load(
        cls, name: str, *, weights: Path | None, device: torch.device, options: Mapping[str, str] | None = None
    ) -> MemFacePredictor:
        """Load a variant from the weights folder, else its sample checkpoints. See `loading.load`."""
        found: Loaded = load(name, weights, dict(options or {}))
        return cls(name, found.speaker, found.renderer, device, found.facts)

    def begin(self, talk: Talk, pairs: Sequence[str]) -> None:
        super().begin(talk, pairs)
        self._pairs = {pair: number for number, pair in enumerate(pairs)}
        self._lost = {}

    def why_missing(self, pair: str) -> str | None:
        return super().why_missing(pair) or self._lost.get(self._pairs.get(pair, -1))

    def talk(self, talk: Talk) -> Iterator[Tensor]:
        template = look(talk.template())
        if template is None:
            self._lost = dict.fromkeys(range(len(talk.times)), NO_FACE_AT_ALL)
            yield from (torch.full_like(frame, torch.nan) for frame in talk.template())
            return
        self._check_person(talk)
        faces = self.speaker.faces(talk.sound, np.array(talk.times), template.aligned, talk.id, talk.begins)
        jobs = self._jobs(talk.template(), template, faces)
        while batch := list(islice(jobs, max(1, self.at_once))):
            yield from self._answers(batch)

    def _jobs(self, frames: Iterator[Tensor], template: Template, faces: Iterator[np.ndarray]) -> Iterator[Job]:
        """Yield each frame with the scene to draw into it; None for a frame without a face."""
        mean = template.mean
        for number, (frame, vertices) in enumerate(zip(frames, faces, strict=True)):
            pose, lips = template.poses[number], template.lips[number]
            if pose is None or lips is None:
                self._lost[number] = NO_FACE
                yield frame, None
                continue
            if self.renderer.framing.width is None and frame.shape[1] != frame.shape[2]:
                raise ModelError(f"{self.name} renders whole frames, which must be square", code="frame-size")
            picture = as_picture(frame)
            yield frame, scene(picture, lips, pose, mean, vertices, self.renderer.framing, self.drawing)

    @torch.inference_mode()
    def _answers(self, batch: Sequence[Job]) -> Iterator[Tensor]:
        scenes = [one for _, one in batch if one is not None]
        rendered = iter(self.renderer(*tensors(scenes, self.device)).cpu() if scenes else ())
        for frame, one in batch:
            yield torch.full_like(frame, torch.nan) if one is None else pasted(frame, next(rendered), one)

    def _check_person(self, talk: Talk) -> None:
        held = self._facts.get("conventions", {}).get("memory", {}).get("identity")
        if held and isinstance(self.renderer.memory, ExplicitMemory) and held != talk.identity:
            log.warning(
                "%s: draws mouths of %s, whose video it was trained on, into the frames of %s; "
                "train --model memface-render --adapt fits it to another person",
                self.name,
                held,
                talk.identity,
            )

    def describe(self) -> dict[str, Any]:
        facts = {**self._facts}
        conventions = {"drawing": self.drawing.signature, **facts.pop("conventions", {})}
        return {**facts, "conventions": conventions}


def pasted(frame: Tensor, rendered: Tensor, where: Scene) -> Tensor:
    """Return a template's frame ``(3, H, W)`` in [0, 1] with the rendered window ``(3, S, S)`` in the masked region."""
    whole = frame.cpu().permute(1, 2, 0).contiguous().numpy()
    window = rendered.permute(1, 2, 0).contiguous().numpy()
    out = view.paste(whole, window, where.window, where.hole)
    return torch.from_numpy(out).permute(2, 0, 1).contiguous().to(frame.device)
