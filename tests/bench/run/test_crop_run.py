"""`run` on custom photos and videos whose heads are not in the middle."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.detectors.face_box import FaceBox
from protocols.crop import center_box, cut, head_box
from protocols.images import read_rgb, resize
from protocols.pairs import FrameRef, Pair, PairList


@pytest.fixture
def run(bench):
    """A run of `copy-source` with more arguments."""
    asked = ["run", "--models", "copy-source", "--metrics", "l1", "--no-bounds", "--device", "cpu"]
    return lambda *arguments: bench(*asked, *arguments)


@pytest.fixture
def data(tmp_path: Path, sample_set: Path) -> Path:
    """Three tall frames whose head moves at the top, and one without a face."""
    portrait = Image.open(sample_set / "still" / "su" / "0000000.png").convert("RGB")
    folder = tmp_path / "data" / "anna"
    folder.mkdir(parents=True)
    for number in range(3):
        image = Image.fromarray(np.full((900, 600, 3), (60, 90, 120), np.uint8))
        image.paste(portrait.resize((360, 360)), (100 + 30 * number, 10 + 20 * number))
        image.save(folder / f"{number}.png")
    (tmp_path / "data" / "wall").mkdir()
    Image.fromarray(np.full((300, 400, 3), 90, np.uint8)).save(tmp_path / "data" / "wall" / "0.png")
    anna, wall = [FrameRef("mine", "anna", str(number)) for number in range(3)], FrameRef("mine", "wall", "0")
    pairs = [Pair(str(k), anna[0], frame, frame, None, "anna", "anna") for k, frame in enumerate(anna)]
    pairs.append(Pair("3", wall, wall, wall, None, "wall", "wall"))
    PairList("list", 1, tuple(pairs)).write(tmp_path / "list.csv")
    return tmp_path / "data"


@pytest.mark.slow
def test_heads_are_framed_and_the_manifest_says_how(run, data, tmp_path):
    asked = ("--protocol", "own-sameid", "--data", "mine=data", "--pairs", "list.csv")
    code, text = run(*asked, "--name", "face")
    assert code == 0 and "NO FACE" in text and "1 of 2 clips" in text and "wall (a source)" in text
    manifest = json.loads(Path("runs/face/manifest.json").read_text())
    images = [read_rgb(data / "anna" / f"{number}.png") for number in range(3)]
    box = head_box(np.array([FaceBox()(image) for image in images]), 900, 600)
    assert box[1] < 60
    crop = manifest["crop"]["mine"]
    assert crop["clips"]["anna"].startswith(f"face {','.join(map(str, box))} of 600x900")
    assert crop["clips"]["wall"].startswith("center 50,0,350,300") and "dlib68" in crop["finder"]
    for role in ("_source", "_target"):  # source and target of a clip are cut alike
        number = 0 if role == "_source" else 2
        shown = read_rgb(Path("runs/face/pictures") / role / "2.png")
        np.testing.assert_array_equal(shown, resize(cut(images[number], box), 256, 256))
    code, text = run(*asked, "--name", "face", "--crop", "centre")
    assert code == 2 and "another run" in text  # the crop is part of what a run is
    assert run(*asked, "--name", "center", "--crop", "centre")[0] == 0
    shown = read_rgb(Path("runs/center/pictures/_source/2.png"))
    np.testing.assert_array_equal(shown, resize(cut(images[0], center_box(900, 600)), 256, 256))
    other = json.loads(Path("runs/center/manifest.json").read_text())
    assert other["crop"] == {"mine": {"mode": "center"}} and other["fingerprint"] != manifest["fingerprint"]


@pytest.mark.parametrize(("asked", "text"), [(("--crop", "middle"), "--crop middle"), (("--crop", "face"), "custom")])
def test_crops_that_cannot_be_had(run, asked, text):
    code, printed = run("--protocol", "vox1-sameid", "--data", "sample", "--limit", "2", *asked)
    assert code == 2 and text in printed
