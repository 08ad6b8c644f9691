"""A network that is added as a folder is listed, run, checked, trained, timed and looked into, without another line."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from support.blend.network import Blend
from support.small_networks import batch
from typer.testing import CliRunner

from baselines import card as cards
from baselines import checkpoints, layouts, listing, registry
from baselines.card import card, systems
from baselines.synthetic_weights import fill_spec, image_pair
from baselines.training import published
from baselines.training.settings import TrainSettings
from baselines.training.trainees import trained, trainee
from bench.cli.main import app
from bench.inspection.inspect import inspect
from bench.parity import verify
from bench.speed import command as speed

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def added(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The folder `support/blend` lies beside the others."""

    def forget() -> None:
        for read in (cards.card, cards._listed, cards._raw, published._tables, layouts._known, layouts._sole):
            read.cache_clear()

    folders = [*cards._folders(), Path(__file__).parent / "support" / "blend"]
    monkeypatch.setattr(cards, "_folders", lambda: folders)
    forget()
    yield
    forget()


def invoke(*arguments: object) -> str:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def test_it_is_listed() -> None:
    infos = {info.name: info for info in listing.names()}
    assert (infos["blend"].kind, infos["blend-wide"].kind) == ("network", "variant")
    assert "blend-wide" in invoke("list", "models")


def test_it_is_loaded_from_the_authors_file(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = Blend({"kernel": 5})
    torch.save({"state_dict": network.generator.state_dict()}, tmp_path / "other.pth")
    torch.save({"generator": network.generator.state_dict()}, tmp_path / "blend.pth")
    loaded = registry.load("blend", weights=tmp_path, device=CPU)
    pairs = batch(2)
    expected = network.generate(pairs.source, pairs.driving)
    assert torch.allclose(loaded.predict(pairs, "absolute"), expected, atol=1e-5)
    assert loaded.describe()["weights_status"] == "unverified"
    found = checkpoints.load(tmp_path / "blend.pth", card("fomm"))
    assert checkpoints.looks_like(found.states) == "Blend"


def test_it_is_run(sample_set: Path, tmp_path: Path) -> None:
    arguments = ["--protocol", "vox1-sameid", "--data", "sample", "--limit", 2, "--metrics", "l1", "--device", "cpu"]
    models = "blend?weights=untrained,wide=blend-wide?weights=untrained"
    invoke("run", "--models", models, *arguments, "--out", tmp_path, "--name", "r")
    summary = json.loads((tmp_path / "r" / "summary.json").read_text("utf-8"))
    means = {row["model"]: row["mean"] for row in summary["rows"] if row["metric"] == "l1"}
    assert means.keys() == {"blend?weights=untrained", "wide", "copy-source", "copy-target"}
    assert 0 < means["wide"] != means["blend?weights=untrained"] > 0


def test_it_is_verified(tmp_path: Path) -> None:
    shapes = {f"{key}": list(value.shape) for key, value in Blend({"kernel": 3}).generator.state_dict().items()}
    spec = {"model": "blend", "seed": 5, "config": {"kernel": 3}, "networks": {"generator": shapes}}
    network = Blend(spec["config"])
    network.generator.load_state_dict(fill_spec(spec)["generator"])
    source, driving = image_pair(5)
    arrays = {"absolute.prediction": network.generate(source, driving).detach().numpy()}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    for change, answer in ((0.0, 0), (0.1, 1)):
        np.savez(tmp_path / "golden.npz", **{name: array + change for name, array in arrays.items()})
        assert verify.run([tmp_path], Console(file=io.StringIO())) == answer


def test_it_is_trained(tmp_path: Path) -> None:
    assert "blend" in trained() and "blend-wide" not in trained()
    settings = TrainSettings(model="blend-wide", data=tmp_path, out=tmp_path)
    assert settings.plan == card("blend").stages == ((64, 0.5, 2), (256, 0.5, 1))
    new, pairs = trainee(settings), batch(2, 64)
    assert new.networks["generator"].mix.kernel_size == (5, 5)
    losses = new.losses(pairs.source, pairs.driving, torch.Generator(), 0.0)
    assert (
        losses.keys() == {"l1"}
        and losses["l1"] == 3 * (new.reconstruct(pairs.source, pairs.driving) - pairs.driving).abs().mean()
    )
    assert (
        published.of("blend-wide")["pairs"] == 6 and published.of("blend")["epochs"] == published.of("fomm")["epochs"]
    )


def test_it_is_timed_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[str] = []
    monkeypatch.setattr(speed, "run", lambda models, *_: asked.extend(models) or 0)
    invoke("speed", "--out", tmp_path / "page.md")
    assert [name.partition("?")[0] for name in asked] == [one for one in systems("frames") if card(one).trainee]
    assert "fomm" in asked and "blend?weights=untrained" in asked


def test_it_is_looked_into() -> None:
    predictor, pair = registry.load("blend?weights=untrained", weights=None, device=CPU), batch(1)
    seen = inspect(predictor, pair, "absolute")
    assert np.allclose(seen.depth, pair.source[0].mean(0).numpy(), atol=1e-6)
    assert np.allclose(seen.driving_points[0], pair.driving[0, :2].mean((1, 2)).numpy(), atol=1e-6)
    shift = predictor.network.generator.flow.shift
    expected = shift(torch.from_numpy(seen.source_points - seen.driving_points))[0].detach().numpy() / 2
    assert np.allclose(seen.flow, expected, atol=1e-6)


def test_its_files_are_known() -> None:
    assert "blend.pth" in invoke("weights")
