"""MemFace made small: a face that is found where it is put, a speaker that yawns, checkpoints of both stages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from baselines.checkpoints import save_states
from baselines.facemesh.canonical import INNER_LIPS, Pose, canonical
from baselines.memface import expression_file
from baselines.memface.audio_to_expression import A2EConfig, AudioToExpression
from baselines.memface.basis import POINTS, MeshComponents
from baselines.memface.renderer import Renderer
from baselines.memface.speaker import Speaker
from baselines.speech.log_mel import LogMel
from baselines.talking import Talk
from protocols.sound import Sound

SIDE = 64
RATE = 25.0
RENDER = {
    "widths": [8, 8],
    "view": {"side": 32, "width": 16.0, "patch": 18, "patch_width": 9.0},
    "memory": "explicit",
    "slots": 4,
}


def frames(count: int, without: tuple[int, ...] = ()) -> list[torch.Tensor]:
    """Gray frames; their first pixel says where `find` finds the face, black ones have none."""
    made = []
    for number in range(count):
        frame = torch.full((3, SIDE, SIDE), 0.25 + 0.5 * number / max(count, 1))
        if number in without:
            frame.zero_()
        made.append(frame)
    return made


def find(picture: np.ndarray) -> np.ndarray | None:
    """In place of `baselines.facemesh.mesh.find`: the canonical face, moved with the frame's gray level."""
    if not picture.any():
        return None
    moved = float(picture[0, 0, 0]) / 64
    return Pose(np.eye(3), 2.6, np.array([32 + moved, 26.0, 0.0])).apply(canonical()[0])


class Yawning(Speaker):
    """Opens the mouth with the loudness of the sound at each time."""

    def faces(
        self, sound: Sound, times: np.ndarray, aligned: np.ndarray, clip: str, begins: float = 0.0
    ) -> Iterator[np.ndarray]:
        lower = list(INNER_LIPS[:11])
        for time in times:
            heard = np.abs(sound.cut(time, sound.rate // 25)).mean() / 4000
            face = aligned.mean(0).copy()
            face[lower, 1] += heard
            yield face


def renderer(seed: int = 0, **changes) -> Renderer:
    torch.manual_seed(seed)
    made = Renderer({**RENDER, **changes}).eval()
    if made.memory is not None and made.kind == "explicit":
        made.memory.fill(torch.randn(4, 69, 3), torch.randint(0, 256, (4, 3, 18, 18), dtype=torch.uint8))
    return made


def talk(pictures: list[torch.Tensor], loud: int = 4000) -> Talk:
    times = tuple(number / RATE for number in range(len(pictures)))
    samples = (np.sin(np.arange(int(len(pictures) / RATE * 16000)) / 7) * loud).astype(np.int16)
    return Talk("clip", Sound(samples, 16000), times, RATE, lambda: iter(pictures), "anna", 0)


def save_render(file: Path, name: str = "memface-render", seed: int = 0, **changes) -> Path:
    made = renderer(seed, **changes)
    facts = {"memory": {"identity": "anna", "slots": 4}, "steps": 3}
    save_states(file, name, {"renderer": made.state_dict()}, made.config, facts)
    return file


def save_a2e(file: Path, **changes) -> Path:
    torch.manual_seed(1)
    config = A2EConfig(features=26, coefficients=3, slots=8, dim=16, width=16, feedforward=16, window=8, **changes)
    network, heard = AudioToExpression(config), LogMel()
    basis = MeshComponents(np.random.default_rng(0).normal(scale=0.02, size=(3, POINTS, 3)))
    states: dict = {}
    for key, value in expression_file.tensors(network, basis).items():
        part, _, name = key.partition(".")
        states.setdefault(part, {})[name] = value
    save_states(file, "memface-a2e", states, expression_file.config(network, basis, heard), {"steps": 3})
    return file
