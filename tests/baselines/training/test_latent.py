"""LIA in training: which layers a stage runs, what reaches its directions, its losses, and that it resumes exactly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from baselines import registry
from baselines.predictor import ModelError
from baselines.training.latent import LatentTrainee
from baselines.training.loop import train
from baselines.training.losses import mean_absolute
from baselines.training.settings import TrainSettings


def drawn(tmp_path: Path, **settings: object) -> LatentTrainee:
    torch.manual_seed(3)
    return LatentTrainee(TrainSettings(model="lia", data=tmp_path, out=tmp_path, bf16=False, **settings))


def frames(side: int, count: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(count, 3, side, side, generator=generator), torch.rand(count, 3, side, side, generator=generator)


def test_the_last_stage_is_the_network_that_animates(tmp_path: Path) -> None:
    trainee, (source, driving) = drawn(tmp_path), frames(256)
    net = trainee.network
    with torch.no_grad():
        encoded = net.encode(2 * source - 1)
        frame = net.generate(encoded, net.moved(encoded, net.motion(2 * driving - 1))).frame
        torch.testing.assert_close(trainee.reconstruct(source, driving), (frame + 1) / 2, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("side", "levels"), [(64, 4), (256, 6)])
def test_a_stage_teaches_the_levels_up_to_its_side(tmp_path: Path, side: int, levels: int) -> None:
    trainee, (source, driving) = drawn(tmp_path), frames(side, 1)
    made = trainee.reconstruct(source, driving)
    assert made.shape == driving.shape
    made.square().mean().backward()
    decoder = trainee.network.gen.dec
    reached = [head.conv.weight.grad is not None for head in decoder.to_flows]
    assert reached == [level < levels for level in range(6)]
    for weight in (decoder.direction.weight, trainee.network.gen.enc.fc[0].weight):
        assert weight.grad is not None and weight.grad.isfinite().all() and weight.grad.abs().max() > 0


@pytest.mark.parametrize("recipe", ["short", "published"])
def test_short_trainings_begin_with_nearly_no_flow(tmp_path: Path, recipe: str) -> None:
    trainee, (source, driving) = drawn(tmp_path, recipe=recipe), frames(64, 1)
    flows: list[torch.Tensor] = []
    trainee.network.gen.dec.to_flows.register_forward_hook(lambda *given: flows.append(given[2].logits[:, :2].tanh()))
    with torch.no_grad():
        trainee.reconstruct(source, driving)
    assert (max(float(flow.abs().mean()) for flow in flows) < 0.1) == (recipe == "short")


def test_bfloat16_leaves_flow_and_colors_in_float32(tmp_path: Path) -> None:
    torch.manual_seed(3)
    trainee = LatentTrainee(TrainSettings(model="lia", data=tmp_path, out=tmp_path))
    seen: list[torch.dtype] = []
    decoder = trainee.network.gen.dec
    trainee.network.gen.enc.net_app.convs[0][0].register_forward_hook(lambda *given: seen.append(given[2].dtype))
    decoder.to_flows.register_forward_hook(lambda *given: seen.extend(part.dtype for part in given[2]))
    decoder.to_rgbs[0].register_forward_hook(lambda *given: seen.append(given[2].dtype))
    exact, (source, driving) = drawn(tmp_path), frames(64)
    with torch.no_grad():
        reduced = trainee.reconstruct(source, driving)
        plain = exact.reconstruct(source, driving)
    assert seen[0] == torch.bfloat16 and set(seen[1:]) == {torch.float32} and len(seen) == 1 + 4 * 3 + 1
    assert 0 < (reduced - plain).abs().mean() < 0.05 * plain.std()


def test_the_published_losses_are_the_papers(tmp_path: Path) -> None:
    trainee, (source, driving) = drawn(tmp_path, recipe="published"), frames(64)
    with torch.no_grad():
        parts = trainee.losses(source, driving, torch.Generator(), 0.0)
        difference = mean_absolute(trainee.reconstruct(source, driving), driving)
    assert parts.keys() == {"perceptual", "l1"}  # and the adversarial ones where there is a discriminator
    torch.testing.assert_close(parts["l1"], 2 * difference)


@pytest.mark.parametrize("recipe", ["short", pytest.param("published", marks=pytest.mark.slow)])
def test_it_resumes_to_the_bit_and_animates(
    recipe: str, clips: Path, tmp_path: Path, interrupted_after_one: Callable[[TrainSettings], Path]
) -> None:
    def settings(name: str) -> TrainSettings:
        more = {"stages": ((64, 1.0, 2),), "log_every": 1, "save_every": 1, "recipe": recipe}
        return TrainSettings(model="lia", data=clips, out=tmp_path / name, steps=2, seed=3, **more)

    whole, broken = train(settings("whole")), interrupted_after_one(settings("broken"))
    first, second = load_file(whole), load_file(broken)
    assert first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)
    columns = (tmp_path / "whole" / "log.csv").read_text().splitlines()[0].split(",")
    assert ("adversarial" in columns, "discriminator" in columns) == ((recipe == "published"),) * 2
    assert registry.load(f"lia?weights={whole}", weights=None, device=torch.device("cpu")).frame_size == 256


@pytest.mark.parametrize("recipe", ["short", "published"])
def test_sides_that_are_no_power_of_two_are_refused(tmp_path: Path, recipe: str) -> None:
    with pytest.raises(ModelError) as error:
        drawn(tmp_path, frame_size=384, recipe=recipe)
    assert error.value.code == "bad-value"
    assert drawn(tmp_path, frame_size=512, recipe=recipe).exported_config["size"] == 512
