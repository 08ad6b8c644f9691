"""LivePortrait as a model: the authors' files, what it can be asked for, and what is refused."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.liveportrait_files import CARD, official_folder
from support.small_networks import batch, part

from baselines import registry
from baselines.frame_size import resized
from baselines.liveportrait import motion, opening
from baselines.liveportrait.animation import Ratios
from baselines.liveportrait.retargeting import stitched
from baselines.predictor import ModelError

CPU = torch.device("cpu")
STITCHING = "retargeting_models/stitching_retargeting_module.pth"


def load(spec: str, weights: Path | None = None):
    return registry.load(spec, weights=weights, device=CPU)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("published")
    official_folder(folder / "liveportrait")
    return folder


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    official_folder(tmp_path / "liveportrait")
    return tmp_path / "liveportrait"


def refusal(folder: Path) -> ModelError:
    with pytest.raises(ModelError) as caught:
        load(f"liveportrait?weights={folder}")
    assert "\n" not in str(caught.value)
    return caught.value


def test_the_authors_folder_is_read(files: Path) -> None:
    _, network = official_folder(files / "liveportrait")
    found, inside, direct = (
        load("liveportrait", files),
        load("liveportrait", files / "liveportrait"),
        files / "liveportrait",
    )
    direct = load(f"liveportrait?weights={direct}")
    for loaded in (found, inside, direct):
        for name, value in network.state_dict().items():
            assert torch.equal(loaded.network.state_dict()[name].float(), value.float()), name
    facts = found.describe()
    hashes = {file: hashlib.sha256((files / "liveportrait" / file).read_bytes()).hexdigest() for file in CARD.published}
    assert facts["weights_sha256"] == hashes[CARD.files[0]]
    assert facts["weights_beside"] == {Path(file).name: hashes[file] for file in CARD.beside}
    assert any("epoch" in line for line in facts["weights_read"])


@pytest.mark.parametrize("file", CARD.published)
def test_a_missing_file_is_named(file: str, copied: Path) -> None:
    (copied / file).unlink()
    error = refusal(copied)
    assert file in str(error) and error.code == "missing-file"


@pytest.mark.parametrize("file", CARD.published)
def test_so_is_a_damaged_one(file: str, copied: Path) -> None:
    (copied / file).write_bytes((copied / file).read_bytes()[:-400])
    error = refusal(copied)
    assert file in str(error) and error.code in ("unreadable-checkpoint", "not-a-checkpoint")


@pytest.mark.parametrize(
    ("one", "other"),
    [("warping_module", "spade_generator"), ("appearance_feature_extractor", "motion_extractor")],
)
def test_so_are_swapped_ones(one: str, other: str, copied: Path) -> None:
    a, b = (copied / "base_models" / f"{name}.pth" for name in (one, other))
    kept = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(kept)
    error = refusal(copied)
    assert error.code == "other-network" and "swapped" in str(error)


def test_so_is_a_file_without_a_network(copied: Path) -> None:
    content = torch.load(copied / STITCHING, weights_only=True)
    del content["retarget_eye"]
    torch.save(content, copied / STITCHING)
    error = refusal(copied)
    assert error.code == "other-network" and "retarget_eye" in str(error)


def test_so_is_one_of_other_shapes(copied: Path) -> None:
    (copied / f"{CARD.files[0]}.json").unlink()  # as if it were the published one
    error = refusal(copied)
    assert error.code == "other-network" and "base_models" in str(error)


def test_absolute_and_relative_motion_by_hand(files: Path) -> None:
    predictor, free, pair = load("liveportrait", files), load("liveportrait?stitching=false", files), batch(1)
    net = predictor.network
    with torch.inference_mode():
        source, driving, first = (net.motion(x) for x in (pair.source, pair.driving, pair.anchor))
        moved = {"absolute": motion.absolute(source, driving), "relative": motion.relative(source, driving, first)}
        for mode, face in moved.items():
            for stitching in (True, False):
                points = face.points()
                if stitching:
                    points = stitched(net.retarget_shoulder, source.points(), points)
                expected, _ = net.generate(net.encode(pair.source), source.points(), points)
                made = (predictor if stitching else free).predict(pair, mode)
                assert made.shape == (1, 3, 512, 512) and (made - expected).abs().max() < 1e-3


@pytest.mark.parametrize("option", ["region=exp", "region=pose", "region=lip", "multiplier=0.5", "stitching=false"])
@pytest.mark.parametrize("mode", ["absolute", "relative"])
def test_every_option_moves_the_frame(option: str, mode: str, files: Path) -> None:
    pair = batch(1)
    plain, other = load("liveportrait", files), load(f"liveportrait?{option}", files)
    assert (plain.predict(pair, mode) - other.predict(pair, mode)).abs().max() > 1e-4
    name, value = option.split("=")
    assert str(other.describe()["conventions"][name]).lower() == value


def test_no_multiplier_is_no_motion(files: Path) -> None:
    pair = batch(1)
    still = load("liveportrait?multiplier=0", files)
    assert torch.equal(still.predict(pair, "absolute"), still.predict(replace(pair, driving=pair.anchor), "absolute"))


@pytest.mark.parametrize(
    ("options", "mode", "code"),
    [
        ("region=nose", None, "bad-value"),
        ("multiplier=far", None, "bad-value"),
        ("multiplier=-1", None, "bad-value"),
        ("multiplier=nan", None, "bad-value"),
        ("stitching=yes", None, "bad-value"),
        ("frame_size=512", None, "unknown-option"),
        ("eye_retargeting=true&normalize_lip=true", None, "unused-option"),
        ("eye_retargeting=true&region=lip", "relative", "unused-option"),
        ("normalize_lip=true", "absolute", "unused-option"),
    ],
)
def test_what_cannot_be_is_refused(options: str, mode: str | None, code: str, files: Path) -> None:
    made = load(f"liveportrait?{options}", files) if mode else None
    with pytest.raises(ModelError) as caught:
        made.predict(batch(1), mode) if made else load(f"liveportrait?{options}", files)
    assert caught.value.code == code and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("option", "mode"),
    [("eye_retargeting", "absolute"), pytest.param("lip_retargeting", "relative", marks=pytest.mark.slow)],
)
def test_retargeting_takes_the_openings_of_each_pair(option: str, mode: str, files: Path, monkeypatch) -> None:
    pairs = batch(3)
    seen = {}  # a frame's bytes to what is measured of it

    def measure(self, frame: np.ndarray) -> Ratios | None:
        level = frame.mean() / 255
        seen[frame.tobytes()] = level
        return Ratios((level, level), level) if level > 0.02 else None

    monkeypatch.setattr(opening.Openings, "__call__", measure)
    predictor = load(f"liveportrait?{option}=true", files)
    made = predictor.predict(pairs, mode)
    assert len(seen) == 6 and made.isfinite().all()
    assert (made - load("liveportrait", files).predict(pairs, mode)).abs().amax((1, 2, 3)).min() > 1e-5
    dark = replace(pairs, driving=torch.cat([pairs.driving[:1], 0 * pairs.driving[1:2], pairs.driving[2:]]))
    with torch.inference_mode():  # in a true batch, as on a GPU
        frames = predictor.animate(dark, mode)
    assert frames[1].isnan().all() and frames[[0, 2]].isfinite().all()
    assert "driving" in predictor.why_missing("p1") and predictor.why_missing("p0") is None
    alone = predictor.predict(part(dark, 0), mode)
    assert (frames[:1] - alone).abs().max() < 1e-3 and "opening" in predictor.describe()["conventions"]


def test_openings_of_a_mesh_by_hand() -> None:
    points = np.zeros((468, 2))
    for k, place in {159: (5, 3), 145: (5, 7), 33: (0, 5), 133: (10, 5)}.items():
        points[k] = place
    for k, place in {386: (5, 4), 374: (5, 5), 362: (0, 5), 263: (10, 5)}.items():
        points[k] = place
    for k, place in {13: (5, 0), 14: (5, 2), 61: (0, 1), 291: (20, 1)}.items():
        points[k] = place
    found = opening.ratios(points)
    np.testing.assert_allclose([*found.eyes, found.lip], [0.4, 0.1, 0.1], atol=1e-6)


def test_frames_of_other_sides_are_resized_by_the_named_filter(files: Path) -> None:
    predictor, large = load("liveportrait", files), batch(1, 512)
    assert "resize" not in predictor.describe()["conventions"]
    predictor.set_frame_size(512)
    assert "bilinear" in predictor.describe()["conventions"]["resize"]
    small = replace(large, source=resized(large.source, 256), driving=resized(large.driving, 256), anchor=None)
    assert torch.equal(predictor.predict(large, "absolute"), predictor.predict(small, "absolute"))


def test_a_protocols_mode_is_answered_by_the_nearest(files: Path) -> None:
    predictor = load("liveportrait", files)
    asked = ("absolute", "relative", "relative-adapt", "avd")
    assert [predictor.nearest_mode(mode) for mode in asked] == ["absolute", "relative", "relative", "absolute"]
