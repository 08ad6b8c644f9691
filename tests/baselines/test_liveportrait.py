"""LivePortrait's networks, keypoints and crop are equal to the official ones, and do what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support import golden_cases

from baselines.liveportrait import crop, motion
from baselines.liveportrait.animation import Animation, Options, Ratios
from baselines.liveportrait.convnext import ConvNextV2, ResponseNorm
from baselines.liveportrait.motion import FaceMotion, rotation_matrix
from baselines.liveportrait.parity import build
from baselines.liveportrait.parity_crop import compute_crop
from baselines.liveportrait.retargeting import PointNet, retargeted, stitched
from baselines.parity import Case
from bench.parity import compare as golden
from bench.runtime.errors import UserError

FOLDER = golden_cases.FOLDER / "liveportrait"
SHORT = (".prediction", ".deformation", ".occlusion_map", "feature.warping", "feature.spade", "absolute.1.")
ANGLE = st.floats(-90, 90)
SEED = st.integers(0, 1000)


def face(seed: int) -> FaceMotion:
    noise = torch.Generator().manual_seed(seed)
    angles = 40 * torch.rand(3, 1, generator=noise) - 20
    points, expression = torch.rand(1, 21, 3, generator=noise) - 0.5, 0.1 * torch.rand(1, 21, 3, generator=noise)
    scale = 1 + 0.2 * torch.rand(1, 1, generator=noise)
    return FaceMotion(points, rotation_matrix(*angles), expression, torch.rand(1, 3, generator=noise), scale)


class Corrections(torch.nn.Module):
    """The three small networks, untrained."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.retarget_shoulder = PointNet(126, (8,), 65)
        self.retarget_mouth, self.retarget_eye = PointNet(65, (8,), 63), PointNet(66, (8,), 63)


@pytest.mark.slow
def test_equals_its_reference_up_to_the_keypoints_in_every_mode() -> None:
    net, case = golden_cases.filled("liveportrait")
    arrays = {name: array for name, array in case.arrays.items() if not any(part in name for part in SHORT)}
    assert golden_cases.differing(net, Case(case.spec, arrays)) == []


@pytest.mark.slow
def test_equals_its_reference_in_every_array() -> None:
    assert golden_cases.differing(*golden_cases.filled("liveportrait")) == []


def crops() -> Case:
    case = golden.read(FOLDER)
    return Case(case.spec, {name: array for name, array in case.arrays.items() if name.startswith("crop.")})


def test_crop_and_paste_back_equal_the_published_program() -> None:
    comparer = golden.Comparer(crops())
    compute_crop(crops(), comparer)
    assert [result.name for result in comparer.results if not result.ok] == [] == comparer.left()
    assert len(comparer.results) == 28


def test_a_crop_half_a_pixel_off_is_seen(monkeypatch) -> None:
    monkeypatch.setattr(crop, "to_crop", lambda where, turned=True, plain=crop.to_crop: _shifted(plain(where, turned)))
    comparer = golden.Comparer(crops())
    compute_crop(crops(), comparer)
    different = {result.name for result in comparer.results if not result.ok}
    assert {"crop.source203.M_o2c", "crop.source203.crop512", "crop.paste.mask", "crop.paste.result"} <= different


def _shifted(matrix: np.ndarray) -> np.ndarray:
    matrix[:2, 2] += 0.5
    return matrix


def test_a_malformed_file_of_crops_is_an_error(tmp_path) -> None:
    for name in ("spec.json", "golden.npz"):
        (tmp_path / name).write_bytes((FOLDER / name).read_bytes())
    (tmp_path / golden.CROP).write_bytes(b"no archive")
    with pytest.raises(UserError, match=r"crop\.npz") as error:
        golden.read(tmp_path)
    assert error.value.code == "not-golden"


def test_parameters_are_the_published_ones() -> None:
    with torch.device("meta"):
        net = build(golden.read(FOLDER).spec)
    assert {name: golden_cases.parameters(net, name) for name, _ in net.named_children()} == {
        "appearance_feature_extractor": 836_224,
        "motion_extractor": 28_118_728,
        "warping_module": 45_529_829,
        "spade_generator": 55_365_388,
        "retarget_shoulder": 45_249,
        "retarget_mouth": 37_311,
        "retarget_eye": 144_703,
    }


def test_channels_that_respond_like_all_others_are_only_scaled() -> None:
    norm = ResponseNorm(5)
    x = torch.rand(2, 4, 4, 1).expand(2, 4, 4, 5)
    torch.testing.assert_close(norm(x), x)
    torch.nn.init.constant_(norm.gamma, 2.0)
    torch.testing.assert_close(norm(x), 3 * x, atol=1e-4, rtol=1e-4)


def test_a_small_backbone_has_the_features_of_its_last_stage() -> None:
    net = ConvNextV2((1, 1, 1, 1), (4, 4, 8, 8))
    features = net.features(torch.rand(2, 3, 64, 64))
    assert features.shape == (2, 8)
    torch.testing.assert_close(features.mean(1), torch.zeros(2), atol=1e-5, rtol=0)


@settings(deadline=None)
@given(ANGLE, ANGLE, ANGLE)
def test_rotations_are_rotations(pitch, yaw, roll) -> None:
    matrix = rotation_matrix(*(torch.tensor([x], dtype=torch.float64) for x in (pitch, yaw, roll)))[0]
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(3, dtype=torch.float64))
    assert torch.linalg.det(matrix).item() == pytest.approx(1)


def test_quarter_turns_of_rows() -> None:
    zero, right = torch.zeros(1), torch.full((1,), 90.0)
    x, y, z = torch.eye(3)
    torch.testing.assert_close(y @ rotation_matrix(right, zero, zero)[0], z, atol=1e-6, rtol=0)
    torch.testing.assert_close(z @ rotation_matrix(zero, right, zero)[0], x, atol=1e-6, rtol=0)
    torch.testing.assert_close(x @ rotation_matrix(zero, zero, right)[0], y, atol=1e-6, rtol=0)


@given(SEED)
@settings(deadline=None, max_examples=20)
def test_a_frame_that_did_not_move_leaves_the_source(seed) -> None:
    source, driving = face(seed), face(seed + 1)
    for region in motion.REGIONS:
        still = motion.relative(source, driving, driving, region).points()
        torch.testing.assert_close(still, source.points(), atol=1e-5, rtol=0)
        torch.testing.assert_close(motion.absolute(source, source, region).points(), source.points())


def test_which_keypoints_a_region_moves() -> None:
    source, driving, initial = face(0), face(1), face(2)
    for move in (motion.absolute(source, driving, "lip"), motion.relative(source, driving, initial, "lip")):
        moved = (move.expression != source.expression).any(-1)[0].nonzero().flatten().tolist()
        assert moved == [6, 12, 14, 17, 19, 20] and move.rotation is source.rotation
    taken = motion.absolute(source, driving).expression[0] == driving.expression[0]
    assert taken.sum(1).tolist() == [0, 3, 3, 1, 1, 1, 3, 0, 1, 2, 0] + [3] * 10
    posed = motion.absolute(source, driving, "pose")
    assert posed.rotation is driving.rotation and posed.expression.equal(source.expression)
    assert motion.absolute(source, driving).scale is source.scale
    scale = motion.relative(source, driving, initial).scale
    torch.testing.assert_close(scale, source.scale * driving.scale / initial.scale)


def test_translation_in_depth_is_never_used() -> None:
    source = face(0)
    far = replace(source, translation=source.translation + torch.tensor([0.0, 0.0, 5.0]))
    torch.testing.assert_close(far.points(), source.points())


def test_stitching_moves_each_point_and_all_of_them_in_the_plane() -> None:
    net = Corrections()
    for parameter in net.parameters():
        torch.nn.init.zeros_(parameter)
    last = net.retarget_shoulder.mlp[-1].bias.data
    last[1 * 3 + 2], last[63], last[64] = 0.5, 0.1, -0.2
    points = torch.rand(2, 21, 3)
    change = stitched(net.retarget_shoulder, points, points) - points
    expected = torch.tensor([0.1, -0.2, 0.0]).repeat(21, 1)
    expected[1, 2] = 0.5
    torch.testing.assert_close(change, expected.expand(2, 21, 3))


@torch.inference_mode()
def test_retargeting_discards_relative_motion_and_adds_to_absolute() -> None:
    net, source, driving = Corrections(), face(0), face(1)
    own, wanted = Ratios((0.3, 0.2), 0.1), Ratios((0.1, 0.4), 0.5)
    eyes = retargeted(net.retarget_eye, source.points(), torch.tensor([[0.3, 0.2, 0.1]]))
    lip = retargeted(net.retarget_mouth, source.points(), torch.tensor([[0.1, 0.5]]))
    for relative, start in ((True, source.points()), (False, motion.absolute(source, driving).points())):
        options = Options(relative, stitching=False, eye_retargeting=True, lip_retargeting=True)
        animation = Animation(net, source, options, initial=face(2), ratios=own)
        torch.testing.assert_close(animation.drive(driving, wanted), start + eyes + lip)
        with pytest.raises(ValueError, match="^retargeting .*ratios"):
            animation.drive(driving)


@torch.inference_mode()
def test_multiplier_and_closed_lips() -> None:
    net, source, driving, initial = Corrections(), face(0), face(1), face(2)

    def drive(**options) -> torch.Tensor:
        ratios = Ratios((0.3, 0.3), options.pop("lip", 0.1))
        return Animation(net, source, Options(**options), initial=initial, ratios=ratios).drive(driving)

    plain, points = drive(), source.points()
    torch.testing.assert_close(drive(multiplier=0.5), (plain + points) / 2)
    torch.testing.assert_close(drive(expression_friendly=False), plain, atol=1e-5, rtol=0)
    closed = retargeted(net.retarget_mouth, points, torch.tensor([[0.1, 0.0]]))
    torch.testing.assert_close(drive(normalize_lip=True), plain + closed)
    torch.testing.assert_close(drive(normalize_lip=True, lip=0.02), plain)
    torch.testing.assert_close(drive(normalize_lip=True, relative=False), drive(relative=False))


def test_what_is_missing_is_said() -> None:
    with pytest.raises(ValueError, match="initial frame"):
        Animation(Corrections(), face(0), Options())
    with pytest.raises(ValueError, match="ratios"):
        Animation(Corrections(), face(0), Options(normalize_lip=True), initial=face(1))


LANDMARKS = np.random.default_rng(0).uniform(100, 200, (203, 2))


@given(st.floats(-3, 3), st.floats(0.5, 2))
def test_the_square_turns_and_grows_with_the_face(angle, factor) -> None:
    plain = crop.square(LANDMARKS, 2.3, -0.125)
    c, s = factor * np.cos(angle), factor * np.sin(angle)
    turn = np.array([[c, -s], [s, c]])
    other = crop.square(LANDMARKS @ turn.T, 2.3, -0.125)
    np.testing.assert_allclose(other.center, turn @ plain.center, atol=1e-6)
    assert other.side == pytest.approx(factor * plain.side)
    assert np.cos(other.angle - plain.angle - angle) == pytest.approx(1, abs=1e-6)
    inside = crop.moved(crop.to_crop(plain), LANDMARKS)
    np.testing.assert_allclose(crop.moved(crop.to_crop(other), LANDMARKS @ turn.T), inside, atol=0.05)


def test_other_landmarks_are_refused_and_coinciding_ones_upright() -> None:
    with pytest.raises(ValueError, match="67 landmarks"):
        crop.square(LANDMARKS[:67], 2.3, 0)
    assert crop.square(np.ones((203, 2)), 2.3, 0).angle == 0


def test_pasting_the_crop_back_changes_nothing_but_by_resampling() -> None:
    y, x = np.mgrid[:300, :260]
    photo = np.stack([x * 0.9, y * 0.8, (x + y) * 0.4], axis=2).astype(np.uint8)
    matrix = crop.to_crop(crop.Square(np.array([130.0, 150.0]), 120.0, 0.3))
    back = crop.paste(crop.cut(photo, matrix), photo, crop.inverse(matrix))
    error = np.abs(back.astype(int) - photo)  # three times rounded or truncated
    assert error.max() <= 3 and error.mean() < 0.5
    black = crop.paste(np.zeros((512, 512, 3), np.uint8), photo, crop.inverse(matrix))
    assert black[150, 130].max() == 0 and (black[:40] == photo[:40]).all()
