"""Networks on frames of other sides than 256: what each can, what decides, and that numbers stay what they are."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from support.refused import refused
from support.small_networks import ALL, batch, official_content, place, small

from baselines import checkpoints, frame_size, registry
from baselines.card import MODELS, card
from baselines.mcnet.memory import rename_levels
from baselines.mcnet.network import MCNet
from baselines.predictor import ModelError, Predictor

CPU = torch.device("cpu")
SAMPLES = [name for name in MODELS if card(name).sample.is_file()]
# Variants of these are made of the same parts; LIA and LivePortrait work on one side only.
WITHOUT = ("lia", "liveportrait", "mcnet", "ostnet-")
OTHER_SAMPLES = [name for name in SAMPLES if "+" not in name and not name.startswith(WITHOUT)]
MEMORY = ("mcnet", "mcnet-paper", "fomm+memory", "tpsm+memory")
LEVELS = re.compile(r"_(\d+)\.")


def load(spec: str, weights=None):
    return registry.load(spec, weights=weights, device=CPU)


def saved(folder, model: str, trained: int | None = None):
    """A small network's file, trained at a side or without a word of it."""
    config, network = small(model)
    config |= {"frame_size": trained} if trained else {}
    file = folder / f"{model}.safetensors"
    checkpoints.save_sample(file, model, network, config, {})
    return file


@pytest.fixture
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", ["mcnet", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHER_SAMPLES)])
def test_fast_forms_are_the_plain_ones_at_384(name: str, one_thread: None) -> None:
    pairs = batch(1, 384)
    plain, fast = load(f"{name}?plain=true"), load(name)
    for predictor in (plain, fast):
        predictor.set_frame_size(384)
    mode = fast.motion_modes[-1]
    expected = plain.predict(pairs, mode)
    assert expected.shape == (1, 3, 384, 384)
    difference = (fast.predict(pairs, mode) - expected).abs()
    assert difference.max() < 5e-4 and difference.mean() < 2e-5
    facts = fast.describe()
    assert (facts["frame_size"], facts["trained_frame_size"]) == (384, 256) and facts["sample_weights"]


@pytest.mark.parametrize("model", ALL)
def test_which_sides_a_network_takes(model: str, tmp_path) -> None:
    """Small networks halve three times at a quarter of the frame: a multiple of 32. Two end in one pixel."""
    file = saved(tmp_path, model)
    predictor = load(f"{model}?weights={file}")
    if model in ("x2face", "lia"):
        with refused(ModelError, "frame-size", "256x256", "96x96", model, "resize=true"):
            predictor.set_frame_size(96)
        predictor.set_frame_size(256)
        return
    if model == "liveportrait":  # which resizes every frame to 256, as published
        for side in (96, 512):
            predictor.set_frame_size(side)
            made = predictor.predict(batch(1, side), predictor.motion_modes[0])
            assert made.shape == (1, 3, 512, 512) and predictor.frame_size == 256
        return
    predictor.set_frame_size(96)
    made = predictor.predict(batch(1, 96), predictor.motion_modes[0])
    assert made.shape == (1, 3, 96, 96) and made.isfinite().all()
    for side in (80, 32):
        with refused(ModelError, "frame-size", side):
            predictor.set_frame_size(side)
    with pytest.raises(ModelError, match="frames are 256x256"):
        predictor.predict(batch(1), predictor.motion_modes[0])


def test_the_released_sizes_take_multiples_of_128() -> None:
    """The sample checkpoints halve as often as the published networks."""
    predictor = load("fomm?frame_size=384")
    assert predictor.side_step() == 128 and predictor.frame_size == 384
    with refused(ModelError, "frame-size", "128", "256", "320x320"):
        load("fomm?frame_size=320")


def test_a_memory_of_256_keeps_its_layers_at_384(tmp_path) -> None:
    """The layers of the levels 32, 64, 128 work on the levels 48, 96, 192: as a network made for these with them."""
    config, network = small("mcnet")
    file = saved(tmp_path, "mcnet")
    predictor, pairs = load(f"mcnet?weights={file}&plain=true"), batch(1, 384)
    predictor.set_frame_size(384)
    other = MCNet(config, 384).eval().requires_grad_(False)
    state = {
        LEVELS.sub(lambda level: f"_{int(level[1]) * 384 // 256}.", key) if ".mbUnit." in key else key: value
        for key, value in network.state_dict().items()
    }
    assert any("conv_48." in key for key in state) and any("norm_192." in key for key in state)
    other.load_state_dict(state)
    with torch.inference_mode():
        source, driving = other.detect(pairs.source), other.detect(pairs.driving)
        expected = other.generate(pairs.source, source, driving, other.noise(pairs.seeds, pairs.source)).frame
    assert torch.equal(predictor.predict(pairs, "absolute"), expected)
    predictor.set_frame_size(256)  # and back
    usual = load(f"mcnet?weights={file}&plain=true")
    assert torch.equal(predictor.predict(batch(1), "absolute"), usual.predict(batch(1), "absolute"))


@pytest.mark.parametrize("model", MEMORY)
def test_a_memory_says_what_it_was_trained_at(model: str, tmp_path) -> None:
    """Its levels are called by their sides; this is what tells, in a file of the authors' layout."""
    config, network = small(model)
    for part in network.modules():
        if hasattr(part, "mbUnit"):
            rename_levels(part.mbUnit, 256, 384)
    if model == "mcnet":
        place(tmp_path, model, official_content(network), config)
        predictor = load(model, tmp_path)
    else:
        checkpoints.save_sample(tmp_path / "x.safetensors", model, network, config, {})
        predictor = load(f"{model}?weights={tmp_path / 'x.safetensors'}")
    assert predictor.frame_size == predictor.size.trained == 384
    predictor.set_frame_size(384)
    assert predictor.predict(batch(1, 384), "absolute").isfinite().all()
    with pytest.raises(ModelError, match=rf"{re.escape(model)}\?resize=true .*{re.escape(model)}\?frame_size=256"):
        predictor.set_frame_size(256)


def test_a_checkpoint_for_another_side_is_resized_only_if_asked(tmp_path) -> None:
    file, pairs = saved(tmp_path, "fomm", trained=384), batch(2)
    with refused(ModelError, "frame-size", "384x384", "256x256"):
        load(f"fomm?weights={file}").set_frame_size(256)
    with refused(ModelError, "frame-size", "384x384", "256x256"):
        load(f"fomm?weights={file}").predict(pairs, "absolute")
    resizing, own = load(f"fomm?weights={file}&resize=true"), load(f"fomm?weights={file}")
    resizing.set_frame_size(256)
    made = resizing.predict(pairs, "relative")
    assert made.shape == pairs.source.shape
    facts = resizing.describe()
    assert facts["frame_size"] == 384 and facts["conventions"]["resize"] == frame_size.FILTER
    larger = {role: frame_size.resized(getattr(pairs, role), 384) for role in ("source", "driving", "anchor")}
    expected = own.predict(replace(pairs, **larger, target=None), "relative")
    torch.testing.assert_close(made, frame_size.resized(expected, 256), atol=1e-6, rtol=0)
    follows = load(f"fomm?weights={file}&frame_size=256")
    follows.set_frame_size(256)
    assert follows.describe()["trained_frame_size"] == 384 and follows.frame_size == 256


def test_nothing_is_resized_where_the_sides_agree(tmp_path) -> None:
    resizing, plain = (load(f"fomm?weights={saved(tmp_path, 'fomm')}{more}") for more in ("&resize=true", ""))
    resizing.set_frame_size(256)
    assert "resize" not in resizing.describe()["conventions"]
    assert torch.equal(resizing.predict(batch(1), "absolute"), plain.predict(batch(1), "absolute"))
    resizing.set_frame_size(100)  # any side, then
    assert resizing.predict(batch(1, 100), "absolute").shape == (1, 3, 100, 100)


@pytest.mark.parametrize(
    ("trained", "asked", "resize", "given", "used"),
    [
        (None, None, False, 384, 384),
        (256, None, False, 384, 384),
        (256, None, True, 384, 256),
        (512, None, False, 256, 512),
        (512, 256, False, 256, 256),
        (256, 384, False, 256, 384),
        (None, None, True, 384, 256),
    ],
)
def test_what_decides(trained, asked, resize, given, used) -> None:
    assert frame_size.FrameSize(trained, asked, resize).for_frames(given) == used


@pytest.mark.parametrize("options", ["frame_size=large", "frame_size=-256", "frame_size=0", "resize=yes"])
def test_values_that_mean_nothing_are_refused(options: str) -> None:
    with pytest.raises(ModelError, match=options.partition("=")[0]):
        load(f"fomm?{options}")


@pytest.mark.parametrize("trained", ["256", -1, 1.5, [256]])
def test_a_side_that_is_none_in_a_checkpoint_is_refused(trained, tmp_path) -> None:
    config, network = small("fomm")
    place(tmp_path, "fomm", official_content(network), config | {"frame_size": trained})
    with refused(ModelError, "bad-configuration"):
        load("fomm", tmp_path)


def test_a_training_of_an_earlier_release_was_for_256(tmp_path) -> None:
    """Whatever its last stage was: the network's motion part was put back to what it is at 256."""
    config, network = small("fomm")
    file = tmp_path / "x.safetensors"
    checkpoints.save_sample(file, "fomm", network, config, {"stages": [[64, 1.0, 2]]})
    assert load(f"fomm?weights={file}").describe()["trained_frame_size"] == 256


def test_other_predictors_take_their_own_side_alone() -> None:
    class Fixed(Predictor):
        name, frame_size = "fixed", 256

        def predict(self, batch, mode):
            return batch.source

    Fixed().set_frame_size(256)
    with refused(ModelError, "frame-size", "256x256", "384x384"):
        Fixed().set_frame_size(384)
    load("copy-source").set_frame_size(384)
