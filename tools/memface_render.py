"""Measure MemFace renderers on the sound set with the true faces: `python tools/memface_render.py FILES`.

Each frame is its own template, with the lower face masked and its own mesh drawn. For comparison: the lower face of the
held-out template, aligned to the frame by head pose, and the bound `wrong-sound`. Inside the mouth's square (7 cm, 64
pixels): mean |difference|, and the distance of VGG-16's features (five layers, each relative to its mean). Inside the
mask: mean |difference|. Last: milliseconds of CPU time per frame.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from torch import Tensor

from baselines import wrong_sound
from baselines.facemesh.canonical import align
from baselines.facemesh.mesh import find
from baselines.levels import array_from_levels
from baselines.memface import view
from baselines.memface.drawing import of_face_mesh
from baselines.memface.loading import read_renderer
from baselines.memface.predictor import pasted
from baselines.memface.scene import scene, tensors
from baselines.memface.view import Framing
from baselines.training.losses import perceptual
from baselines.training.vgg import VggFeatures
from protocols import sound_set
from protocols.cache import cache_folder
from protocols.images import read_rgb
from protocols.template import back_and_forth

MOUTH = Framing(side=64, patch=64, patch_width=7.0)
RATE = 25
Frame = np.ndarray  # (H, W, 3) uint8
Answer = Callable[[int], Tensor]  # number of a test frame to (3, H, W) in [0, 1]


class Bench:
    """The test frames, their faces, and the template's lower face for each."""

    def __init__(self) -> None:
        built = sound_set.SoundSet(sound_set.ensure(cache_folder()))
        clip, start, end = next(one[:3] for one in sound_set.recipe()["adaptation"] if one[3] == "test")
        frames = [read_rgb(built.folder(clip) / f"{name}.png") for name in built.frames(clip)]
        first = round(start * RATE)
        self.truth = frames[first : round(end * RATE)]
        self.template = [frames[k] for k in back_and_forth(first, len(self.truth))]
        self.faces = [self._face(frame) for frame in self.truth]
        self.others = [self._face(frame) for frame in self.template]
        self.person = np.mean([aligned for _, aligned, _ in self.faces], 0)
        self.vgg = VggFeatures()

    @staticmethod
    def _face(frame: Frame) -> tuple[np.ndarray, np.ndarray, view.Pose]:
        mesh = find(frame)
        assert mesh is not None  # the set's frames all show one
        return mesh, *align(mesh)

    def hole(self, k: int) -> np.ndarray:
        """Return the mask of a test frame."""
        mesh, _, pose = self.faces[k]
        return view.mask(pose, self.person, view.outer_lips(mesh), *self.truth[k].shape[:2])

    def by_pose(self, k: int) -> Tensor:
        """Return the template's lower face in the test frame's pose."""
        framing = Framing(side=256, width=16.0)
        window = framing.window(self.faces[k][2], self.truth[k].shape[1])
        taken = view.cut(self.template[k], framing.window(self.others[k][2], self.template[k].shape[1]), 256)
        frame, laid = array_from_levels(self.truth[k]), array_from_levels(taken)
        return torch.from_numpy(view.paste(frame, laid, window, self.hole(k))).permute(2, 0, 1)

    def wrong(self, k: int) -> Tensor:
        """Return the frame of the bound `wrong-sound`."""
        found = wrong_sound.pasted(self.template[k], self.truth[k])
        assert not isinstance(found, str)
        return torch.from_numpy(found).permute(2, 0, 1)

    @torch.inference_mode()
    def measure(self, answer: Answer) -> dict[str, float]:
        """Return means over the test frames."""
        rows = []
        for k, truth in enumerate(self.truth):
            true, made = torch.from_numpy(array_from_levels(truth)).permute(2, 0, 1), answer(k)
            inside = torch.from_numpy(self.hole(k) > 0)
            window = MOUTH.patch_window(self.faces[k][2])
            a, b = (_square(image, window) for image in (made, true))
            distance = perceptual(self.vgg(a[None]), self.vgg(b[None]))
            rows.append(
                {
                    "mouth_l1": (a - b).abs().mean().item(),
                    "mouth_vgg": distance.item(),
                    "mask_l1": (made - true).abs()[:, inside].mean().item(),
                }
            )
        return {str(name): float(value) for name, value in pd.DataFrame(rows).mean().items()}

    @torch.inference_mode()
    def rendered(self, file: Path) -> tuple[Answer, float]:
        """Return the frames of a checkpoint, and milliseconds per frame: drawing, masking, network and pasting."""
        renderer, drawing = read_renderer(file)[0].eval(), of_face_mesh()
        made: list[Tensor] = []

        def each() -> Iterator[Tensor]:
            for (mesh, aligned, pose), truth in zip(self.faces, self.truth):
                lips = view.outer_lips(mesh)
                one = scene(truth, lips, pose, self.person, aligned, renderer.framing, drawing)
                frame = torch.from_numpy(array_from_levels(truth)).permute(2, 0, 1)
                yield pasted(frame, renderer(*tensors([one], torch.device("cpu")))[0], one)

        started = time.process_time()
        made.extend(each())
        return made.__getitem__, (time.process_time() - started) * 1000 / len(made)


def _square(image: Tensor, window: np.ndarray) -> Tensor:
    """Return the mouth's square ``(3, 64, 64)`` of a frame ``(3, H, W)``."""
    whole = image.permute(1, 2, 0).contiguous().numpy()
    return torch.from_numpy(view.cut(whole, window, MOUTH.patch)).permute(2, 0, 1)


def main(files: list[str]) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    bench = Bench()
    rows = {"template's lower face, by pose": bench.measure(bench.by_pose), "wrong-sound": bench.measure(bench.wrong)}
    for file in files:
        answer, cost = bench.rendered(Path(file))
        rows[file] = bench.measure(answer) | {"ms": cost}
    print(pd.DataFrame(rows).T.round(4).to_string())


if __name__ == "__main__":
    main(sys.argv[1:])
