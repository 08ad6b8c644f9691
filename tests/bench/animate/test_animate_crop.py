"""`animate` on pictures that are not framed as the models know heads."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from skimage.transform import resize as skimage_resize
from support.command_line import call_unwrapped

from bench.animate.crop import settle
from bench.detectors.face_box import FaceBox
from protocols.crop import Cut, head_box

HEIGHT, WIDTH, SIDE = 900, 600, 360  # of a picture and of the portrait at its top


@pytest.fixture(scope="module")
def portrait(sample_set: Path) -> np.ndarray:
    image = Image.open(sample_set / "still" / "su" / "0000000.png").convert("RGB")
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def tall(portrait: np.ndarray, left: int = 130, top: int = 10) -> np.ndarray:
    """A picture of 600 x 900 with the portrait somewhere on a smooth ground."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    image = np.stack([x / 5, y / 6, (x + y) / 9], axis=-1).astype(np.uint8)
    image[top : top + SIDE, left : left + SIDE] = portrait
    return image


@pytest.fixture
def animate(monkeypatch, capsys, tmp_path):
    """Call the command in this process with side by side panels; returns exit code, everything printed and panels."""

    def call(*arguments: object) -> tuple[int, str, list[np.ndarray]]:
        monkeypatch.chdir(tmp_path)
        asked = ["--model", "copy-source", "--side-by-side", "--out", "out.mkv", *map(str, arguments)]
        ended = call_unwrapped(monkeypatch, capsys, "animate", "--device", "cpu", *asked)
        panels = []
        if Path("out.mkv").exists():
            with av.open("out.mkv") as container:
                panels = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        return *ended, panels

    return call


def near(shown: np.ndarray, image: np.ndarray, box: tuple[int, ...]) -> bool:
    """Whether a panel is this box of the picture, but for the codec."""
    x0, y0, x1, y1 = box
    wanted = skimage_resize(image[y0:y1, x0:x1], (256, 256)) * 255
    return float(np.abs(shown - wanted).mean()) < 4


def test_a_head_at_the_top_is_kept(animate, portrait, tmp_path):
    """The face lies where it lies in the portrait, whose own frame is not square any more."""
    image = tall(portrait)
    Image.fromarray(image).save(tmp_path / "tall.png")
    found = FaceBox()(image)
    assert np.abs(np.array(found) - np.array(FaceBox()(portrait)) - [130, 10, 130, 10]).max() < 6
    box = head_box(np.array([found]), HEIGHT, WIDTH)
    assert box[1] < 60 and 330 < box[2] - box[0] < 420
    asked = ("--source", "tall.png", "--driving", "tall.png")
    code, text, panels = animate(*asked)
    assert code == 0 and text.count(f"{','.join(map(str, box))} of 600x900") == 2
    assert near(panels[0][:, :256], image, box) and near(panels[0][:, 256:512], image, box)
    code, text, panels = animate(*asked, "--crop", "centre")
    assert code == 0 and "face" not in text and near(panels[0][:, :256], image, (0, 150, 600, 750))
    code, text, panels = animate(*asked, "--crop", "none")
    assert code == 0 and "face" not in text and near(panels[0][:, :256], image, (0, 0, 600, 900))
    code, text, panels = animate(*asked, "--crop", "0,0,300,300")  # of the driving picture alone
    assert near(panels[0][:, :256], image, box) and near(panels[0][:, 256:512], image, (0, 0, 300, 300))


def test_one_box_for_a_whole_clip(animate, portrait, tmp_path):
    """Frames in which the head moves are all cut alike, around all places of the head."""
    (tmp_path / "clip").mkdir()
    images = [tall(portrait, 60 + 60 * number, 30 * number) for number in range(3)]
    for number, image in enumerate(images):
        Image.fromarray(image).save(tmp_path / "clip" / f"{number}.png")
    for name in ("sound.wav", ".hidden.png"):
        (tmp_path / "clip" / name).write_text("")
    Image.fromarray(np.zeros((80, 120, 3), np.uint8)).save(tmp_path / "black.png")
    code, text, panels = animate("--source", "black.png", "--driving", "clip")
    assert code == 0 and "black.png" in text
    assert "1 file " in text and text.count("sound.wav") == 1
    box = head_box(np.array([FaceBox()(image) for image in images]), HEIGHT, WIDTH)
    assert str(",".join(map(str, box))) in text and "600x900" in text and "3 of 3 frames" in text
    assert all(near(panel[:, 256:512], image, box) for panel, image in zip(panels, images, strict=True))


def test_a_frame_of_another_size_is_not_cut_elsewhere(animate, portrait, tmp_path):
    (tmp_path / "clip").mkdir()
    for number in range(3):
        Image.fromarray(tall(portrait)).save(tmp_path / "clip" / f"{number}.png")
    Image.fromarray(tall(portrait)[:700]).save(tmp_path / "clip" / "3.png")
    asked = ("--source", "clip/0.png", "--driving", "clip")
    code, text, panels = animate(*asked)
    assert code == 1 and "1 of 4 frames" in text and "600x700" in text and len(panels) == 4
    assert animate(*asked, "--crop", "center")[0] == 0


def test_framed_frames_stay_whole(animate, portrait, tmp_path):
    Image.fromarray(portrait).save(tmp_path / "square.png")
    asked = ("--source", "square.png", "--driving", "square.png")
    code, text, panels = animate(*asked)
    assert code == 0 and "--source-crop face" in text and "--crop face" in text
    assert near(panels[0][:, :256], portrait, (0, 0, SIDE, SIDE))
    larger = np.pad(portrait, ((0, 340), (170, 170), (0, 0)))
    Image.fromarray(larger).save(tmp_path / "square.png")
    box = head_box(np.array([FaceBox()(larger)]), *larger.shape[:2])
    assert near(animate(*asked)[2][0][:, :256], larger, box)


@pytest.mark.parametrize("wrong", ["middle", "1,2,3", "50,0,40,40", "auto"])
def test_what_is_no_crop(animate, portrait, tmp_path, wrong):
    Image.fromarray(portrait).save(tmp_path / "square.png")
    code, text, _ = animate("--source", "square.png", "--driving", "square.png", "--crop", wrong)
    assert code == 2 and f"--crop {wrong}" in text


def test_the_largest_face_of_two(portrait):
    small = np.asarray(Image.fromarray(portrait).resize((200, 200), Image.Resampling.LANCZOS))
    image = tall(portrait, 200, 500)
    image[20:220, 10:210] = small
    wanted, cut = settle(None, lambda number: image, 5, FaceBox())
    assert isinstance(wanted, Cut) and wanted is cut and cut.faces == 5
    x0, y0, x1, y1 = cut.box
    assert x0 <= 300 and x1 >= 470 and y0 > 400 and y1 > 800
