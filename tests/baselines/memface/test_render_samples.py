"""The second stage's sample checkpoints: what they are, and that they draw a mouth better than the template has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import baselines.memface
from baselines import registry
from baselines.facemesh.canonical import align, mouth
from baselines.facemesh.mesh import find
from baselines.levels import array_from_levels
from baselines.memface import view
from baselines.memface.drawing import of_face_mesh
from baselines.memface.loading import read_renderer
from baselines.memface.predictor import pasted
from baselines.memface.scene import scene, tensors
from baselines.memface.view import Framing
from protocols import sound_set
from protocols.cache import cache_folder
from protocols.images import read_rgb

HERE = Path(baselines.memface.__file__).parent
NAMES = ("render", "render-no-explicit")


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_says_what_it_is(name):
    file = HERE / f"{name}.safetensors"
    renderer, facts = read_renderer(file)
    assert file.stat().st_size < 3e6 and facts["steps"] == 720
    assert [(one["identity"], one["frames"]) for one in facts["people"]] == [("j", 95)]
    assert (renderer.kind == "explicit") == (name == "render")
    if name == "render":
        assert renderer.memory.keys.shape == (95, len(mouth()), 3) and facts["memory"]["identity"] == "j"
    count = sum(value.numel() for value in renderer.parameters())
    assert f"{count:,} learned numbers" in file.with_suffix(".md").read_text()


@pytest.mark.parametrize("name", ["memface", "memface-no-explicit", "memface-no-implicit", "memface-noise-memory"])
def test_samples_are_loaded_by_name(name):
    facts = registry.load(name, weights=None, device=torch.device("cpu")).describe()
    assert facts["sample_weights"] and facts["weights_status"] == "sample" and not facts["published_size"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@torch.inference_mode()
def test_a_sample_beats_the_template_s_own_mouth(name):
    built = sound_set.SoundSet(sound_set.ensure(cache_folder()))
    frames = [read_rgb(built.folder("talk_b") / f"{frame}.png") for frame in built.frames("talk_b")]
    numbers = [100, 112, 125, 138]
    meshes = [find(frames[k]) for k in numbers]
    faces = [align(found) for found in meshes]
    person = np.mean([aligned for aligned, _ in faces], 0)
    renderer, drawing, square = read_renderer(HERE / f"{name}.safetensors")[0].eval(), of_face_mesh(), Framing(64, 7.0)
    ours, theirs = [], []
    for k, found, (aligned, pose) in zip(numbers, meshes, faces):
        one = scene(frames[k], view.outer_lips(found), pose, person, aligned, renderer.framing, drawing)
        frame = torch.from_numpy(array_from_levels(frames[k])).permute(2, 0, 1)
        made = pasted(frame, renderer(*tensors([one], torch.device("cpu")))[0], one).permute(1, 2, 0).numpy()
        held = frames[k - 60]  # a frame of the seconds to adapt to
        own = view.cut(array_from_levels(held), square.window(align(find(held))[1], 256), 64)
        true, drawn = (view.cut(image, square.window(pose, 256), 64) for image in (array_from_levels(frames[k]), made))
        ours.append(np.abs(drawn - true).mean())
        theirs.append(np.abs(own - true).mean())
    assert np.mean(ours) < 0.75 * np.mean(theirs)
