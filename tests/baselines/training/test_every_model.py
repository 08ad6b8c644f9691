"""Every model of the list: what its trainee exports is what its card's predictor takes, to the last key."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from baselines import samples
from baselines.card import MODELS, card
from baselines.checkpoints import Checkpoint, save_sample
from baselines.registry import load, network_class
from baselines.training import trainee as base
from baselines.training.files import networks_of
from baselines.training.settings import TrainSettings
from baselines.training.trainees import trainee

TRAINED = [name for name in MODELS if card(name).trainee]
STARTED = [name for name, recipe in samples.recipes().items() if recipe.start]


def networks_of_checkpoint(model: str) -> set[str]:
    """The networks of a model that are trained: LivePortrait's second stage is not."""
    return {name for name in card(model).networks if not name.startswith("retarget_")}


@pytest.fixture(autouse=True)
def no_losses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The perceptual network takes longer to read than all networks to build."""
    monkeypatch.setattr(base, "Reconstruction", lambda *_: torch.nn.Identity())


@pytest.mark.parametrize("model", TRAINED)
def test_the_predictor_takes_what_is_exported(model: str, tmp_path: Path) -> None:
    new = trainee(TrainSettings(model=model, data=tmp_path, out=tmp_path))
    new.set_side(64)
    new.set_side(256)
    file = tmp_path / f"{model}.safetensors"
    save_sample(file, model, dict(new.networks), new.exported_config, {})
    predictor = load(f"{model}?weights={file}&plain=true", weights=None, device=torch.device("cpu"))
    exported, taken = new.networks.state_dict(), predictor.network.state_dict()
    parts = {key.partition(".")[0] for key in taken}
    assert networks_of_checkpoint(model) <= parts <= set(card(model).parts)
    assert all(torch.equal(exported[key], value) for key, value in taken.items())


@pytest.mark.parametrize("model", TRAINED)
def test_of_the_published_size_too(model: str, tmp_path: Path) -> None:
    with torch.device("meta"):
        side = 512 if model == "liveportrait" else 256
        new = trainee(TrainSettings(model=model, data=tmp_path, out=tmp_path, size="published", frame_size=side))
    states = {name: network.state_dict() for name, network in new.networks.items()}
    checkpoint = Checkpoint(tmp_path / model, states, new.exported_config, {}, model)
    predictor = network_class(model)(card(model), checkpoint, torch.device("meta"), options={"plain": "true"})
    assert networks_of_checkpoint(model) <= dict(predictor.network.named_children()).keys()


@pytest.mark.parametrize("model", STARTED)
def test_what_a_recipe_starts_from_fits(model: str, tmp_path: Path) -> None:
    """Whatever moves the picture is taken; what makes it may differ."""
    start = samples.recipe(model).start
    assert start is not None
    new, state = trainee(TrainSettings(model=model, data=tmp_path, out=tmp_path)), networks_of(card(start).sample)
    taken = new.start_from(state)
    assert any("dense_motion" in name for name in taken) and any("detector" in name for name in taken)
    own = new.networks.state_dict()
    assert any(torch.equal(own[key], value) for key, value in state.items() if "dense_motion" in key)
