"""LivePortrait in training: what places its keypoints, its losses, its checkpoint, and that it resumes exactly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from support.small_networks import batch
from torch.nn import functional as F

from baselines import registry
from baselines.predictor import ModelError
from baselines.training.loop import train
from baselines.training.portrait import PortraitTrainee
from baselines.training.settings import TrainSettings
from baselines.training.volume import CanonicalKeypointTrainee

LACKING = ("stitching", "eye_retargeting", "lip_retargeting", "normalize_lip")


def drawn(tmp_path: Path, **settings: object) -> PortraitTrainee:
    torch.manual_seed(3)
    return PortraitTrainee(TrainSettings(model="liveportrait", data=tmp_path, out=tmp_path, bf16=False, **settings))


def frames(side: int, count: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, 3, side, side, generator=generator), torch.rand(count, 3, side, side, generator=generator)


def test_the_sources_keypoints_are_placed_by_all_of_a_frames_motion(tmp_path: Path) -> None:
    trainee, (source, driving) = drawn(tmp_path, recipe="published"), frames(256)
    trainee.networks.eval()
    with torch.no_grad():
        own, moved = trainee.network.motion(source), trainee.network.motion(driving[:1])
        (at_source, at_driving), _ = trainee.place(source, driving[:1])
    torch.testing.assert_close(at_source, own.points(), atol=1e-5, rtol=1e-4)
    turned = own.keypoints[:1] @ moved.rotation
    expected = moved.scale[..., None] * (turned + moved.expression) + moved.translation[:, None] * torch.tensor(
        [1, 1, 0]
    )
    torch.testing.assert_close(at_driving, expected, atol=1e-5, rtol=1e-4)
    assert (at_driving - moved.points()).abs().max() > 1e-3  # whose own keypoints are others


def test_smaller_stages_are_seen_enlarged(tmp_path: Path) -> None:
    trainee, (source, driving) = drawn(tmp_path), frames(64)
    trainee.networks.eval()
    large = [F.interpolate(image, size=(256, 256), mode="bilinear") for image in (source, driving)]
    with torch.no_grad():
        torch.testing.assert_close(trainee.place(source, driving)[0], trainee.place(*large)[0])
        assert trainee.reconstruct(source, driving).shape == driving.shape


def test_short_trainings_begin_with_keypoints_that_are_spread_and_hardly_move(tmp_path: Path) -> None:
    def moved(recipe: str) -> tuple[float, float]:
        trainee, (source, driving) = drawn(tmp_path, recipe=recipe), frames(256)
        trainee.networks.eval()
        with torch.no_grad():
            (first, other), _ = trainee.place(source, driving)
        return float((first - other).abs().mean()), float(first[0, :, :2].std())

    (still, spread), (moving, _) = moved("short"), moved("published")
    assert still < 0.3 * moving and spread > 0.2


@pytest.mark.parametrize("recipe", ["short", "published"])
def test_its_losses(tmp_path: Path, recipe: str) -> None:
    trainee, (source, driving) = drawn(tmp_path, recipe=recipe), frames(64)
    parts = trainee.losses(source, driving, torch.Generator().manual_seed(1), 0.0)
    own = {"perceptual", "equivariance", "keypoint_prior", "deformation"}
    assert own <= parts.keys() <= own | {"l1"} and all(value.isfinite() for value in parts.values())
    with torch.no_grad():
        expression = trainee.place(source, driving)[1].expression
    sum(parts.values()).backward()
    assert 0 < parts["deformation"].item() < 2 * 5 * float(expression.abs().max())
    reached = {name for name, part in trainee.networks.named_children() if _has_gradient(part)}
    assert reached == {"appearance_feature_extractor", "motion_extractor", "warping_module", "spade_generator"}


def _has_gradient(part: torch.nn.Module) -> bool:
    return any(value.grad is not None and float(value.grad.abs().max()) > 0 for value in part.parameters())


def test_it_resumes_to_the_bit_and_animates_without_the_networks_that_it_lacks(
    clips: Path, tmp_path: Path, interrupted_after_one: Callable[[TrainSettings], Path]
) -> None:
    def settings(name: str) -> TrainSettings:
        more = {"stages": ((64, 1.0, 2),), "log_every": 1, "save_every": 1}
        return TrainSettings(model="liveportrait", data=clips, out=tmp_path / name, steps=2, seed=3, **more)

    whole, broken = train(settings("whole")), interrupted_after_one(settings("broken"))
    first, second = load_file(whole), load_file(broken)
    assert first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)
    assert not any(key.startswith("retarget") for key in first)

    def load(options: str = "") -> registry.Predictor:
        return registry.load(f"liveportrait?weights={whole}{options}", weights=None, device=torch.device("cpu"))

    predictor = load()
    assert predictor.describe()["conventions"]["stitching"] is False
    for mode in ("absolute", "relative"):
        made = predictor.predict(batch(1), mode)
        assert made.shape == (1, 3, 256, 256) and made.isfinite().all()
    for option in LACKING:
        with pytest.raises(ModelError) as error:
            load(f"&{option}=true")
        assert error.value.code == "unused-option" and option in str(error.value)


@pytest.mark.slow
def test_the_published_size_makes_frames_of_twice_the_side(tmp_path: Path) -> None:
    with pytest.raises(ModelError) as error:
        drawn(tmp_path, size="published")
    assert error.value.code == "bad-value" and "512" in str(error.value)
    trainee, (source, driving) = drawn(tmp_path, size="published", frame_size=512), frames(512, 1)
    assert isinstance(trainee, CanonicalKeypointTrainee) and trainee.exported_config["frame_size"] == 256
    with torch.no_grad():
        assert trainee.reconstruct(source, driving).shape == driving.shape
