"""Every network behind the predictor interface, reduced and random."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
import torch
from support.refused import refused
from support.small_networks import ALL, batch, part, small

from baselines import checkpoints, registry
from baselines.blocks.relative import relative_keypoints, relative_points
from baselines.card import Card, card
from baselines.predictor import ModelError
from bench.run.generated import made_shape

CPU = torch.device("cpu")
# The mode of each network that asks most of a batch, and every mode of one that has all.
CASES = [(model, mode) for model in ALL for mode in card(model).motion_modes[0 if model == "tpsm" else -1 :]]
RELATIVE = [model for model in ALL if "relative" in card(model).motion_modes]


def assert_same(frames: torch.Tensor, reference: torch.Tensor) -> None:
    """Equal but for rounding, which kernels for other batch sizes do in another order and instance norm amplifies.

    Different pairs are 0.1 and more apart; the released networks' own rounding noise reaches 1.5e-4.
    """
    difference = (frames - reference).abs()
    assert difference.max() < 5e-4 and difference.mean() < 3e-5


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for model in ALL:
        config, network = small(model)
        checkpoints.save_sample(folder / f"{model}.safetensors", model, network, config, {})
    return folder


@pytest.fixture(scope="module")
def predictors(files):
    return {m: registry.load(f"{m}?weights={files / m}.safetensors", weights=None, device=CPU) for m in ALL}


@pytest.mark.parametrize(("model", "mode"), CASES)
def test_a_pair_does_not_depend_on_its_batch(model, mode, predictors):
    predictor, pairs = predictors[model], batch(3)
    together = predictor.predict(pairs, mode)
    assert together.shape == made_shape(predictor, pairs.driving) and together.dtype == torch.float32
    assert together.min() >= 0 and together.max() <= 1
    alone = torch.cat([predictor.predict(part(pairs, i), mode) for i in range(3)])
    turned = predictor.predict(part(pairs, 2, 0), mode)
    assert torch.equal(alone, together)
    assert torch.equal(turned, together[[2, 0]])
    with torch.inference_mode():  # the networks in a true batch, as on a GPU
        assert_same(predictor.animate(pairs, mode), together)


@pytest.mark.parametrize("model", ALL)
def test_modes_differ_and_ignore_the_target(model, predictors):
    predictor, pairs = predictors[model], batch(1)
    frames = {mode: predictor.predict(pairs, mode) for mode in predictor.motion_modes}
    for a in frames:
        for b in frames:
            assert a == b or (frames[a] - frames[b]).abs().max() > 1e-4, (a, b)
    assert torch.equal(predictor.predict(replace(pairs, target=None), "absolute"), frames["absolute"])


# MRAA's regions keep the driving frame's covariances, so that not even the identity leaves the frame as it is.
@pytest.mark.parametrize("model", [model for model in RELATIVE if model != "mraa"])
def test_relative_motion_from_the_driving_frame_itself_is_none(model, predictors):
    """Anchor = driving frame: the keypoints stay at the source's, whatever the scale."""
    predictor, pairs = predictors[model], batch(1)
    still = predictor.predict(replace(pairs, driving=pairs.source), "absolute")
    for mode in (mode for mode in predictor.motion_modes if mode.startswith("relative")):
        moved = predictor.predict(replace(pairs, anchor=pairs.driving), mode)
        torch.testing.assert_close(moved, still, atol=2e-3, rtol=0)


def test_modes_by_hand(predictors):
    """The predictor's frame is the network's for keypoints that are computed here."""
    pairs = batch(1)
    fomm, tpsm = predictors["fomm"].network, predictors["tpsm"].network
    near = partial(torch.testing.assert_close, atol=1e-4, rtol=0)  # the predictor takes one thread
    with torch.inference_mode():
        points = [fomm.detect(x) for x in (pairs.source, pairs.driving, pairs.anchor)]
        for mode, adapt in {"relative": False, "relative-adapt": True}.items():
            frame, _ = fomm.generate(pairs.source, points[0], relative_keypoints(*points, adapt))
            near(predictors["fomm"].predict(pairs, mode), frame)
        source, driving, anchor = (tpsm.detect(x) for x in (pairs.source, pairs.driving, pairs.anchor))
        frame = tpsm.generate(pairs.source, source, relative_points(source, driving, anchor)).frame
        near(predictors["tpsm"].predict(pairs, "relative"), frame)
        frame = tpsm.generate(pairs.source, source, tpsm.avd_network(source, driving)).frame
        near(predictors["tpsm"].predict(pairs, "avd"), frame)


def test_noise_comes_from_the_seeds(predictors):
    predictor, pairs = predictors["mcnet"], batch(2)
    first = predictor.predict(pairs, "absolute")
    torch.manual_seed(12345)
    assert torch.equal(predictor.predict(pairs, "absolute"), first)
    other = predictor.predict(replace(pairs, seeds=(100, 7)), "absolute")
    assert torch.equal(other[0], first[0]) and (other[1] - first[1]).abs().max() > 1e-5
    with refused(ModelError, "missing-seeds"):
        predictor.predict(replace(pairs, seeds=()), "absolute")
    assert "seed" in predictor.describe()["conventions"]["noise"]


def test_both_sampling_conventions_of_fomm(files, predictors):
    spec = f"fomm?align_corners=true&weights={files / 'fomm.safetensors'}"
    aligned, usual, pairs = registry.load(spec, weights=None, device=CPU), predictors["fomm"], batch(1)
    assert aligned.describe()["conventions"]["align_corners"] is True
    assert usual.describe()["conventions"]["align_corners"] is False
    assert (aligned.predict(pairs, "absolute") - usual.predict(pairs, "absolute")).abs().max() > 1e-3
    with refused(ModelError, "bad-value"):
        registry.load(spec.replace("true", "maybe"), weights=None, device=CPU)


@pytest.mark.parametrize("model", RELATIVE)
def test_unanswerable_batches(model, predictors):
    predictor, pairs = predictors[model], batch(1)
    with refused(ModelError, "missing-anchor"):
        predictor.predict(replace(pairs, anchor=None), "relative")
    with refused(ModelError, "unknown-mode"):
        predictor.predict(pairs, "sideways")
    if model != "liveportrait":  # which resizes every frame, as published
        with refused(ModelError, "frame-size", "256x256", "128x128"):
            predictor.predict(batch(1, 128), "absolute")
    with refused(ModelError, "frame-size", "200x256"):
        predictor.predict(replace(pairs, driving=pairs.driving[..., :200]), "absolute")


@pytest.mark.parametrize(("model", "mode"), CASES)
def test_a_pair_that_cannot_be_made_is_nan_alone(model, mode, predictors):
    predictor, pairs = predictors[model], batch(2)
    good = predictor.predict(pairs, mode)
    driving = pairs.driving.clone()
    driving[1, :, :100] = torch.nan
    frames = predictor.predict(replace(pairs, driving=driving), mode)
    assert frames[1].isnan().all()
    assert_same(frames[0], good[0])


def test_a_singular_matrix_fails_its_pair_only(predictors, monkeypatch):
    predictor, pairs = predictors["fomm"], batch(3)
    good, animate = predictor.predict(pairs, "absolute"), predictor.animate

    def singular(asked, mode):
        if "p1" in asked.ids:
            torch.linalg.inv(torch.zeros(2, 2))
        return animate(asked, mode)

    monkeypatch.setattr(predictor, "animate", singular)
    frames = predictor.predict(pairs, "absolute")
    assert frames[1].isnan().all()
    assert_same(frames[[0, 2]], good[[0, 2]])


@pytest.mark.parametrize("model", ALL)
def test_describe(model, predictors, files):
    facts = predictors[model].describe()
    assert facts["weights_file"] == f"{model}.safetensors" and len(facts["weights_sha256"]) == 64
    assert facts["sample_weights"] is False and facts["frame_size"] == 256
    assert facts["conventions"]["precision"] == "float32"


def test_without_official_weights_the_sample_checkpoint_is_taken(files, monkeypatch, tmp_path):
    monkeypatch.setattr(Card, "sample", property(lambda card: files / f"{card.name}.safetensors"))
    assert registry.load("tpsm", weights=tmp_path, device=CPU).describe()["sample_weights"] is True
    monkeypatch.setattr(Card, "sample", property(lambda card: tmp_path / "absent"))
    with refused(ModelError, "missing-weights", "vox.pth.tar ", "github.com/yoyo-nb/", str(tmp_path), "tpsm"):
        registry.load("tpsm", weights=tmp_path, device=CPU)
    with refused(ModelError, "missing-file"):
        registry.load(f"tpsm?weights={tmp_path / 'x.pth'}", weights=None, device=CPU)
    with refused(ModelError, "unknown-option"):
        registry.load("tpsm?color=red", weights=None, device=CPU)
