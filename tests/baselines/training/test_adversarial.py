"""Training against a discriminator: losses by hand, who learns from what, and a loop that still resumes to the bit."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from support.refused import refused
from torch import Tensor, nn

from baselines.predictor import ModelError
from baselines.training import adversarial
from baselines.training import run as run_module
from baselines.training.adversarial import HINGE, LEAST_SQUARES, NON_SATURATING, Discriminator, Form, form
from baselines.training.data import TrainingFrames
from baselines.training.discriminators import (
    Judgment,
    MultiScale,
    family_discriminator,
    pix2pix_discriminator,
    residual_discriminator,
)
from baselines.training.loop import train
from baselines.training.run import Run
from baselines.training.settings import TrainSettings

# Two steps of the recipe `short` in float32, before there were discriminators: totals of the log.
BEFORE = {"dagan": (90.944557, 93.065208), "fv2v": (91.597443, 96.151329)}


@pytest.fixture(autouse=True)
def fewer_norm_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "_NORM_BATCHES", 1)


def settings(clips: Path, out: Path, model: str = "dagan", **changes) -> TrainSettings:
    fields = dict(model=model, data=clips, out=out, steps=2, seed=3, stages=((64, 1.0, 2),), log_every=1, bf16=False)
    return TrainSettings(**fields | {"recipe": "published"} | changes)


def run_of(chosen: TrainSettings) -> Run:
    run = Run(chosen, TrainingFrames(chosen.data, by_identity=True))
    run.trainee.set_side(64)
    return run


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def frames(count: int, seed: int, side: int = 64) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed))


def test_losses_of_both_forms_by_hand() -> None:
    real, generated = torch.tensor([2.0, 0.5, -1.0, 1.0]), torch.tensor([1.0, -3.0, 0.0, -0.5])
    assert adversarial.least_squares_generator(generated).item() == pytest.approx((0 + 16 + 1 + 2.25) / 4)
    assert adversarial.least_squares_discriminator(real, generated).item() == pytest.approx(
        (1 + 0.25 + 4 + 0) / 4 + (1 + 9 + 0 + 0.25) / 4
    )
    soft = torch.tensor([1.0, -3.0, 0.0, -0.5]).neg().exp().log1p().mean()
    torch.testing.assert_close(adversarial.non_saturating_generator(generated), soft)
    both = real.neg().exp().log1p().mean() + generated.exp().log1p().mean()
    torch.testing.assert_close(adversarial.non_saturating_discriminator(real, generated), both)
    assert adversarial.hinge_generator(generated).item() == pytest.approx(2.5 / 4)
    assert adversarial.hinge_discriminator(real, generated).item() == pytest.approx(
        (0 + 0.5 + 2 + 0) / 4 + (2 + 0 + 1 + 0.5) / 4
    )


def test_feature_matching_sums_the_layers_and_averages_the_scales() -> None:
    def judged(*values: float) -> Judgment:
        return Judgment(torch.zeros(1), [torch.full((1, 2, 4, 4), v, requires_grad=True) for v in values])

    real, generated = [judged(1.0, 2.0), judged(0.0)], [judged(1.5, -1.0), judged(0.25)]
    loss = adversarial.feature_matching(real, generated)
    loss.backward()
    assert loss.item() == pytest.approx((0.5 + 3.0 + 0.25) / 2)
    assert all(layer.grad is None for one in real for layer in one.features)
    assert [layer.grad.sum().item() for one in generated for layer in one.features] == pytest.approx([0.5, -0.5, 0.5])


@pytest.mark.parametrize(
    ("make", "widths"), [(family_discriminator, (32, 64, 128, 256)), (pix2pix_discriminator, None)]
)
def test_every_frame_is_judged_by_itself(make: Callable[[], nn.Module], widths: tuple[int, ...] | None) -> None:
    torch.manual_seed(0)
    network, images = make().eval(), torch.cat([frames(1, 1), 5 * frames(1, 2)])
    both, alone = network(images), network(images[1:])
    torch.testing.assert_close(both.verdict[1:], alone.verdict, rtol=1e-4, atol=1e-5)
    assert tuple(x.shape[1] for x in both.features) == (widths or (64, 128, 256, 512)) and both.verdict.shape[1] == 1
    assert both.verdict.shape[2] == (2 if widths else 11)


def test_the_residual_discriminator_gives_one_number_a_frame_which_is_its_own() -> None:
    torch.manual_seed(0)
    network, images = residual_discriminator().eval(), torch.cat([frames(1, 1), 5 * frames(1, 2)])
    both, alone = network(images), network(images[1:])
    torch.testing.assert_close(both.verdict[1:], alone.verdict, rtol=1e-4, atol=1e-5)
    assert both.verdict.shape == (2, 1, 1, 1) and (both.verdict[0] - both.verdict[1]).abs() > 1e-3
    assert [tuple(x.shape[1:3]) for x in both.features][-2:] == [(512, 8), (512, 4)]


def test_the_second_scale_sees_half_the_side() -> None:
    torch.manual_seed(0)
    network = MultiScale([pix2pix_discriminator(), pix2pix_discriminator()]).eval()
    flat = torch.full((1, 3, 64, 64), 0.5)
    first, second = network(flat)
    assert torch.equal(first.verdict, network.discriminators[0](flat).verdict)
    torch.testing.assert_close(second.verdict, network.discriminators[1](flat[:, :, :32, :32]).verdict)


@pytest.mark.parametrize("chosen", [HINGE, LEAST_SQUARES, pytest.param(NON_SATURATING, marks=pytest.mark.slow)])
def test_each_side_learns_from_its_own_loss_alone(chosen: Form) -> None:
    torch.manual_seed(1)
    module, generated = Discriminator(chosen), frames(2, 1).requires_grad_()
    before = deepcopy(module.state_dict())
    terms = module.terms(generated, frames(2, 2))
    sum(terms.values()).backward()
    assert terms.keys() == {"adversarial", "feature_matching"} and generated.grad.abs().max() > 0
    assert equal(before, module.state_dict()) and all(p.grad is None for p in module.parameters())
    generated.grad = None
    module(generated, frames(2, 2)).backward()
    assert generated.grad is None
    assert all(p.requires_grad and p.grad is not None and p.grad.isfinite().all() for p in module.parameters())


def taught(chosen: Form, batches: list[tuple[Tensor, Tensor]]) -> tuple[Discriminator, list[float]]:
    """A discriminator after a step on each of these pairs of generated and real frames, and its losses."""
    torch.manual_seed(2)
    module, losses = Discriminator(chosen), []
    optimizer = torch.optim.Adam(module.parameters(), 2e-4, (0.5, 0.999))
    for generated, real in batches:
        optimizer.zero_grad()
        loss = module(generated, real)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return module.eval(), losses


def blurred(count: int, seed: int) -> Tensor:
    return nn.functional.avg_pool2d(frames(count, seed), 5, 1, 2)


def test_the_least_squares_form_tells_these_frames_from_those() -> None:
    generated, real = blurred(2, 1), frames(2, 2)
    module, losses = taught(LEAST_SQUARES, [(generated, real)] * 25)
    assert losses[-1] < 0.2 * losses[0]
    fooled = module.form.generator
    with torch.no_grad():
        assert fooled(module.networks(generated)[0].verdict) > fooled(module.networks(real)[0].verdict) + 0.5


def test_the_hinge_form_tells_frames_that_it_never_saw() -> None:
    module, _ = taught(HINGE, [(blurred(4, 100 + step), frames(4, step)) for step in range(15)])
    with torch.no_grad():
        real, generated = (module.networks(x)[0].verdict for x in (frames(2, 999), blurred(2, 998)))
    assert (real > 0).float().mean() > 0.8 and (generated < 0).float().mean() > 0.8


def test_who_has_one(clips: Path, tmp_path: Path) -> None:
    def found(model: str, recipe: str, asked: bool | None) -> bool:
        return form(settings(clips, tmp_path, model, recipe=recipe, adversarial=asked)) is not None

    for model in ("dagan", "dagan-spade", "fv2v", "fv2v-spade"):
        assert found(model, "published", None) and found(model, "short", True)
        assert not found(model, "short", None) and not found(model, "published", False)
    assert found("fomm", "published", True) and not found("fomm", "published", None)
    assert not found("tpsm", "published", None)
    with refused(ModelError, "no-training") as error:
        form(settings(clips, tmp_path, "tpsm", adversarial=True))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("model", ["dagan", "fv2v"])
def test_the_published_recipe_has_the_terms_of_the_paper(model: str, clips: Path, tmp_path: Path) -> None:
    run = run_of(settings(clips, tmp_path, model))
    terms = set(run.gradients(64, 2)) - {"total"}
    own = {
        "dagan": {"equivariance_value", "equivariance_jacobian", "keypoint_distance", "depth_photometric"},
        "fv2v": {"equivariance", "keypoint_prior", "deformation"},
    }[model]
    assert terms - {"depth_smoothness"} == own | {"perceptual", "adversarial", "feature_matching", "discriminator"}


@pytest.mark.parametrize(
    ("model", "extras"),
    [
        ("dagan", {"ema": 0.9}),
        pytest.param("dagan", {"accumulate": 2, "ema": 0.9}, marks=pytest.mark.slow),
        pytest.param("fv2v", {}, marks=pytest.mark.slow),
    ],
)
def test_interrupted_and_continued_equals_uninterrupted(
    model: str, extras: dict[str, float], clips: Path, tmp_path: Path, monkeypatch
) -> None:
    whole = train(settings(clips, tmp_path / "whole", model, **extras))
    advance = Run.advance

    def stop_after_one(run: Run) -> None:
        if run.step == 1:
            raise KeyboardInterrupt
        advance(run)

    broken = settings(clips, tmp_path / "broken", model, save_every=1, **extras)
    monkeypatch.setattr(Run, "advance", stop_after_one)
    with pytest.raises(KeyboardInterrupt):
        train(broken)
    monkeypatch.setattr(Run, "advance", advance)
    continued = train(broken)
    assert equal(load_file(whole), load_file(continued))
    ends = [torch.load(path.parent / "state.pt", weights_only=True)["discriminator"] for path in (whole, continued)]
    assert equal(*(end["networks"] for end in ends))
    moments = [end["optimizer"]["state"] for end in ends]
    assert all(torch.equal(moments[0][i][k], moments[1][i][k]) for i in moments[0] for k in moments[0][i])
    logs = [pd.read_csv(path.parent / "log.csv").drop(columns="seconds") for path in (whole, continued)]
    pd.testing.assert_frame_equal(*logs, check_exact=True)
    assert logs[0]["discriminator"].nunique() == 2
    assert not any("discriminator" in key for key in load_file(whole))


@pytest.mark.parametrize("model", BEFORE)
def test_the_short_recipe_is_what_it_was(model: str, clips: Path, tmp_path: Path) -> None:
    train(settings(clips, tmp_path, model, recipe="short", bf16=False))
    log = pd.read_csv(tmp_path / "log.csv")
    first, second = log["total"]
    # Adam's first step is the sign of a gradient, also of one that is nearly zero and differs between processors.
    assert (first, second) == (pytest.approx(BEFORE[model][0], rel=1e-3), pytest.approx(BEFORE[model][1], rel=0.01))
    assert "adversarial" not in log
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    assert "discriminator" not in state and "adversarial" not in state["identity"]


def test_the_generator_starts_and_draws_alike_with_and_without(clips: Path, tmp_path: Path) -> None:
    runs = [run_of(settings(clips, tmp_path / str(on), adversarial=on)) for on in (True, False)]
    assert equal(*(run.trainee.networks.state_dict() for run in runs))
    with_one, without = (run.gradients(64, 2) for run in runs)
    assert {name: with_one[name] for name in without if name != "total"} == {
        name: value for name, value in without.items() if name != "total"
    }


def test_a_state_with_a_discriminator_and_one_without_do_not_mix(clips: Path, tmp_path: Path) -> None:
    for on in (True, False):
        train(settings(clips, tmp_path / str(on), steps=1, adversarial=on))
        with pytest.raises(ModelError, match="another adversarial"):
            run_of(settings(clips, tmp_path / str(on), steps=1, adversarial=not on))
    assert run_of(settings(clips, tmp_path / "True", steps=1)).step == 1


@pytest.mark.parametrize("part", ["generator", "discriminator"])
def test_non_finite_losses_of_either_change_no_weight_of_both(
    part: str, clips: Path, tmp_path: Path, monkeypatch
) -> None:
    run = run_of(settings(clips, tmp_path))
    both = nn.ModuleList([run.trainee.networks, run.adversary.module])
    before = {name: value.detach().clone() for name, value in both.named_parameters()}
    name = "terms" if part == "generator" else "forward"
    original = getattr(Discriminator, name)

    def spoiled(*args):
        value = original(*args)
        return {k: v * float("nan") for k, v in value.items()} if part == "generator" else value * float("nan")

    monkeypatch.setattr(Discriminator, name, spoiled)
    run.advance()
    assert run.skipped == 1 and equal(before, dict(both.named_parameters()))
    monkeypatch.setattr(Discriminator, name, original)
    run.advance()
    assert run.skipped == 0
    after = dict(both.named_parameters())
    assert {key[0] for key in before if not torch.equal(before[key], after[key])} == {"0", "1"}


def test_a_batch_that_does_not_fit_the_discriminator_is_split(clips: Path, tmp_path: Path, monkeypatch) -> None:
    run = run_of(settings(clips, tmp_path))
    forward = Discriminator.forward

    def short_of_memory(module: Discriminator, generated: Tensor, real: Tensor) -> Tensor:
        if len(generated) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(module, generated, real)

    monkeypatch.setattr(Discriminator, "forward", short_of_memory)
    run.advance()
    assert run.split == 2 and run.step == 1 and run.skipped == 0 and run.rows[0]["discriminator"] > 0


@pytest.mark.slow
def test_accumulated_gradients_are_the_mean_over_the_batches(clips: Path, tmp_path: Path) -> None:
    run = run_of(settings(clips, tmp_path, accumulate=2, bf16=False))
    for _ in range(100):  # spectral norm settles
        run.adversary.module.networks(frames(1, 0))
    weights = list(run.adversary.module.parameters())
    total, both = run.gradients(64, 2)["discriminator"], [p.grad.clone() for p in weights]
    seed, single, grads = run.seed, [], []
    run.settings = run.settings.model_copy(update={"accumulate": 1})
    for number in range(2):
        run.seed = lambda step, _=0, number=number: seed(step, number)
        single.append(run.gradients(64, 2)["discriminator"])
        grads.append([p.grad.clone() for p in weights])
    assert total == pytest.approx(sum(single) / 2, rel=1e-3) and single[0] != single[1]
    largest = max(gradient.abs().max().item() for gradient in both)
    for found, first, second in zip(both, *grads):
        assert torch.allclose(found, (first + second) / 2, rtol=0, atol=1e-3 * largest)
