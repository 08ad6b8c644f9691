"""How a user's data set is cut: one box a clip, the same for every frame of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.layouts_on_disk import frames, vox
from support.refused import refused

from protocols import catalogue
from protocols.crops import DEFAULT, Crops
from protocols.custom_dataset import open_dataset
from protocols.errors import DataError
from protocols.find_crops import find_crops
from protocols.pairs import FrameRef
from protocols.resolve import resolve
from protocols.sampling import make_pairs


class Finder:
    """Takes the white pixels for the face; counts how often it is asked."""

    signature = "white pixels"

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self, frame: np.ndarray) -> list[float] | None:
        self.asked += 1
        rows, columns = np.nonzero((frame > 250).all(-1))
        return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1] if rows.size else None


def photo(file: Path, width: int, height: int, left: int, top: int, side: int = 100) -> np.ndarray:
    """A dark picture with a bright square, its lower right quarter red."""
    file.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((height, width, 3), 40, np.uint8)
    image[top : top + side, left : left + side] = 255
    image[top + side // 2 : top + side, left + side // 2 : left + side] = (255, 0, 0)
    Image.fromarray(image).save(file)
    return image


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Tall pictures, one without a face, one that is framed, and folders whose face moves."""
    data = tmp_path / "data"
    for number in range(3):
        photo(data / "clip" / f"{number}.png", 400, 600, 100 + 50 * number, 20)
        photo(data / "other" / f"{number}.png", 200, 200, 30, 60, 90)
    photo(data / "empty" / "0.png", 300, 200, 0, 0, 0)
    return data


def refs(*names: str) -> list[FrameRef]:
    return [FrameRef.parse(f"mine/{name}") for name in names]


def test_a_clip_has_one_box_whatever_frames_a_list_names(root: Path):
    data = open_dataset("mine", root)
    for named in (refs("clip/0"), refs("clip/2", "clip/0", "clip/1")):
        finder = Finder()
        crops = find_crops(data, named, None, finder)
        # the faces' box is 200 x 100 from (100, 20): 360 wide, its center 40 above (200, 70), moved down to the edge
        assert crops.cuts["clip"].box == (20, 0, 380, 360) and finder.asked == 3
    data.crop = crops
    for number in range(3):
        image = data.original(FrameRef("mine", "clip", str(number)))
        np.testing.assert_array_equal(data.frame(FrameRef("mine", "clip", str(number)), 360), image[:360, 20:380])


def test_what_becomes_of_each_clip(root: Path):
    data = open_dataset("mine", root)
    named = refs("clip/0", "other/0", "empty/0")
    crops = find_crops(data, named, None, Finder())
    assert {clip: cut.how for clip, cut in crops.cuts.items()} == {"clip": "face", "other": "framed", "empty": "center"}
    assert crops.describe()["clips"]["empty"] == "center 50,0,250,200 of 300x200, face in 0 of 1"
    lines = replace(crops, sources=frozenset({"empty"})).notices()
    assert len(lines) == 3 and "empty (a source)" in lines[2] and "NO FACE" in lines[2]
    always = find_crops(data, named, "face", Finder())
    assert always.cuts["other"].how == "face" and always.describe() != crops.describe()
    for mode, shape in (("center", (200, 200)), ("none", (200, 300))):
        data.crop = find_crops(data, named, mode, None)
        assert data.crop.apply(data.original(named[2]), "empty", "").shape[:2] == shape
        assert data.frame(named[2], 64).shape == (64, 64, 3) and data.crop.describe() == {"mode": mode}


def test_the_rest_of_the_frame_is_squashed_with_none(root: Path):
    data = open_dataset("mine", root)
    data.crop = Crops("none")
    image = data.frame(FrameRef("mine", "clip", "0"), 200)
    expected = np.asarray(Image.open(root / "clip" / "0.png").resize((200, 200), Image.Resampling.LANCZOS))
    np.testing.assert_array_equal(image, expected)


def test_a_frame_of_another_size_than_its_clip_is_refused(root: Path):
    photo(root / "clip" / "9.png", 400, 500, 100, 20)
    data = open_dataset("mine", root)
    with refused(DataError, "frame-sizes-differ", "--crop", "clip/9", "400x500"):
        find_crops(data, refs("clip/0", "clip/9"), None, Finder())
    data.crop = find_crops(data, refs("clip/0"), None, Finder())
    with refused(DataError, "frame-sizes-differ", "9.png", "400x500"):
        data.frame(FrameRef("mine", "clip", "9"), 64)
    assert find_crops(data, refs("clip/0", "clip/9"), "center", None) == Crops("center")


def test_resolve_cuts_custom_data_and_no_others(root: Path, tmp_path: Path):
    data = open_dataset("mine", root)
    make_pairs(data, "same-identity", 4, 0).write(tmp_path / "list.csv")
    options = {"roots": {"mine": root}, "cache": tmp_path, "pair_file": tmp_path / "list.csv"}
    protocol = replace(catalogue.get("vox1-sameid"), n=4)
    own = catalogue.get("own-sameid")
    found = resolve(own, **options, finder=Finder())
    assert found.crop["mine"]["mode"] == DEFAULT and set(found.crop["mine"]["clips"]) <= {"clip", "other"}
    loaded = [found.load(pair) for pair in found.pair_list.pairs if pair.source.clip == "clip"]
    assert loaded and all((image.source > 250).all(-1).any() for image in loaded)
    assert resolve(own, **options, crop="center").crop == {"mine": {"mode": "center"}}
    vox(tmp_path / "vox")
    official = {"roots": {"vox1": tmp_path / "vox"}, "cache": tmp_path, "limit": 2}
    assert resolve(protocol, **official, finder=Finder()).crop == {}
    with refused(DataError, "unused-option", "--crop"):
        resolve(protocol, **official, finder=Finder(), crop="face")


def test_frames_of_cropped_folders_stay_as_they_are(tmp_path: Path):
    """A folder of frames as benchmark data sets have them, under a custom name."""
    frames(tmp_path / "mine" / "id1#a#1#2.mp4", 3)
    data = open_dataset("mine", tmp_path / "mine")
    ref = FrameRef("mine", "id1#a#1#2.mp4", "0000001")
    data.crop = find_crops(data, [ref], None, Finder())
    np.testing.assert_array_equal(data.frame(ref, 256), data.original(ref))
