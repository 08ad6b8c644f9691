"""The recipe `published`: its settings and losses against what is published, and the table of what differs."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

from baselines.predictor import ModelError
from baselines.training import adversarial, losses, published
from baselines.training.data import TrainingFrames
from baselines.training.loop import train
from baselines.training.reconstruction import Reconstruction
from baselines.training.run import Run
from baselines.training.settings import BETAS, TrainSettings
from baselines.training.trainees import trained, trainee

DOCS = Path(__file__).parents[3] / "docs" / "training.md"
SLOWER = [pytest.param(name, marks=pytest.mark.slow) for name in ("tpsm+memory", "dagan+scale", "fv2v")]
AVD = ("mraa", "tpsm", "tpsm+memory")
IDENTITIES = 537_600  # whole steps for every batch


def settings(clips: Path, out: Path, model: str, **changes: Any) -> TrainSettings:
    fields = dict(model=model, data=clips, out=out, steps=2, seed=3, stages=((64, 1.0, 2),), log_every=1, bf16=False)
    return TrainSettings(**fields | {"recipe": "published"} | changes)


def run_of(chosen: TrainSettings) -> Run:
    run = Run(chosen, TrainingFrames(chosen.data, by_identity=True))
    run.trainee.set_side(64)
    return run


def flat(values: dict[str, Any]) -> dict[str, Any]:
    weights = {f"weights.{name}": value for name, value in values["weights"].items()}
    return {key: value for key, value in values.items() if key != "weights"} | weights


def in_code(model: str, part: str, folder: Path) -> dict[str, Any]:
    """What a training with the recipe `published` has under the names of the published values."""
    chosen = TrainSettings(model=model, part=part, recipe="published", data=folder, out=folder)
    known = published.of(model, part)
    ((side, share, pairs),) = chosen.plan
    assert (side, share, chosen.schedule, chosen.norm_freeze) == (256, 1.0, "step", 1.0)
    drawn = chosen.published_steps(IDENTITIES) * pairs * chosen.accumulate / IDENTITIES
    found = {
        "pairs": pairs,
        "epochs": known["epochs"],
        "repeats": drawn / known["epochs"],
        "milestones": [pytest.approx(share * known["epochs"]) for share in chosen.milestones],
        "learning_rate": chosen.rate(0),
        "betas": list(BETAS),
        **{name: getattr(chosen, name) for name in ("weight_decay", "clip_norm", "bf16")},
        "adversarial": adversarial.form(chosen) is not None,
    }
    if "processes" in known:
        found["processes"] = chosen.accumulate
    if part == "networks":
        new = trainee(chosen)
        extra = known["adversarial_weights"]
        own = {name: new.weights[name] for name in known["weights"]} | {"perceptual": new.reconstruction.weight}
        weights = {name: own[name] for name in known["weights"]}
        found |= {"weights": weights, "equivariance": list(new.deforms)}
        found["adversarial_weights"] = {name: new.weights[name] for name in extra}
        return flat(found)
    return found


@pytest.mark.parametrize(
    ("model", "part"), [*((name, "networks") for name in (*trained(), "mcnet-paper")), *((n, "avd") for n in AVD)]
)
def test_every_setting_is_the_published_one_or_stands_in_the_table(model: str, part: str, tmp_path: Path) -> None:
    found, known = in_code(model, part, tmp_path), flat(published.printed(model, part))
    differing = {name for name, value in found.items() if known[name] != value}
    rows = [row for row in published.deviations() if row.model in published.tables(model, part)]
    assert differing == {row.setting for row in rows if row.setting in found and row.here != known[row.setting]}
    assert part == "avd" or found.keys() == known.keys()


def test_the_papers_print_these() -> None:
    """MCNet: ICCV supplement, 1; OSTNet: appendix A."""
    mcnet, ostnet = published.printed("mcnet-paper"), published.printed("ostnet")
    assert (mcnet["processes"], mcnet["epochs"]) == (8, 100) and (ostnet["processes"], ostnet["pairs"]) == (8, 8)
    shared = {"perceptual": 10, "equivariance_value": 10, "equivariance_jacobian": 0, "keypoint_distance": 10}
    assert mcnet["weights"] == shared | {"consistency": 10} and ostnet["weights"] == shared
    assert mcnet["equivariance"] == ["source", "driving"] and ostnet["equivariance"] == ["source"]


def cells(row: published.Deviation) -> list[str]:
    def text(value: Any) -> str:
        if isinstance(value, list):
            return ", ".join(map(text, value)) or "none"
        return "none" if value is None else str(value)

    return [row.model, row.setting, text(row.printed), text(row.here), row.where, row.why]


def test_the_table_of_the_documentation_is_the_one_of_the_code() -> None:
    section = (
        DOCS.read_text(encoding="utf-8").partition("## Deviations from the published training")[2].partition("\n## ")[0]
    )
    lines = [line.strip("| \n").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    expected = [cells(row) for row in published.deviations()]
    assert lines[0] == ["model", "setting", "published", "here", "where", "reason"]
    assert lines[2:] == expected, "\n".join("| " + " | ".join(row) + " |" for row in expected)


def test_every_deviation_differs_and_says_why() -> None:
    for row in published.deviations():
        assert row.printed != row.here and row.where and row.why
        name, _, part = row.model.partition(":")
        assert name == "all" or row.model in published.tables(name, part)


def test_first_gradients_are_not_clipped(clips: Path, tmp_path: Path) -> None:
    norms = {}
    for limit in (None, 50.0):
        run = run_of(settings(clips, tmp_path / str(limit), "fomm", **({"clip_norm": limit} if limit else {})))
        run.advance()
        networks = run.trainee.networks.values()
        left = [torch.cat([p.grad.flatten() for p in net.parameters()]).norm().item() for net in networks]
        norms[limit] = max(left), run.rows[0]["gradient"]
    assert norms[None][0] == pytest.approx(norms[None][1], rel=1e-4) and norms[None][1] > 100
    assert norms[50.0][0] == pytest.approx(50, rel=1e-4) and norms[50.0][1] == pytest.approx(norms[None][1], rel=1e-4)


def test_no_limit_is_infinity_too(tmp_path: Path) -> None:
    fields = {"model": "fomm", "data": tmp_path, "out": tmp_path}
    assert TrainSettings(**fields).clip_norm == 50
    assert TrainSettings(**fields, clip_norm=math.inf).clip_norm is None
    assert TrainSettings(**fields, recipe="published", clip_norm=10).clip_norm == 10


@pytest.mark.parametrize(
    ("model", "devices", "step"),
    [("ostnet", 1, (8, 8)), ("ostnet", 8, (8, 1)), ("mcnet", 4, (8, 2)), ("mraa", 1, (20, 1)), ("mraa", 4, (5, 1))],
)
def test_a_step_has_the_published_pairs_on_any_number_of_devices(
    model: str, devices: int, step: tuple[int, int], tmp_path: Path
) -> None:
    chosen = TrainSettings(model=model, recipe="published", data=tmp_path, out=tmp_path, devices=devices)
    assert (chosen.plan[0][2], chosen.accumulate) == step and chosen.pairs_of_a_step() == chosen.published_pairs()
    given = TrainSettings(model=model, recipe="published", data=tmp_path, out=tmp_path, stages=((256, 1.0, 2),))
    assert given.accumulate == 1 and given.pairs_of_a_step() == 2


def test_eq_8_of_mcnet_sums_over_keypoints_and_coordinates() -> None:
    points, back = torch.zeros(2, 3, 2), torch.tensor([[0.1, -0.2], [0.0, 0.0], [0.3, 0.0]]).repeat(2, 1, 1)
    assert losses.equivariance_sum(points, back).item() == pytest.approx(0.6)
    assert losses.equivariance_points(points, back).item() == pytest.approx(0.1)


def test_eq_9_of_mcnet_counts_the_close_pairs_in_l1() -> None:
    # 0 and 1 are close in both norms, 2 and 3 in L2 (0.198) alone
    points = torch.tensor([[[0.0, 0.0], [0.1, 0.05], [0.5, 0.5], [0.64, 0.64], [-0.9, 0.9]]], requires_grad=True)
    value = losses.keypoint_crowding(points)
    assert value.item() == 4
    assert losses.keypoint_distance(points).item() == pytest.approx(8 / 25)
    value.backward()
    assert points.grad.abs().max() == 0


@pytest.mark.parametrize(
    ("model", "function", "recipe", "expected"),
    [
        ("mcnet", "equivariance_sum", "published", ("equivariance_value", 20)),
        ("mcnet-paper", "keypoint_crowding", "published", ("keypoint_distance", 20)),
        ("mcnet", "equivariance_points", "short", ("equivariance_value", 10)),
        ("mcnet-paper", "keypoint_distance", "short", ("keypoint_distance", 20)),
        ("fomm", "equivariance_points", "published", ("equivariance_value", 10)),
        ("ostnet", "equivariance_points", "published", ("equivariance_value", 10)),
    ],
)
def test_the_equations_apply_to_the_frames_that_are_printed(
    model: str, function: str, recipe: str, expected: tuple[str, float], clips: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(losses, function, lambda *_: torch.tensor(1.0))
    monkeypatch.setattr(Reconstruction, "forward", lambda *_: {})  # takes most of the time, and is not asked for
    assert terms(run_of(settings(clips, tmp_path, model, recipe=recipe)))[expected[0]] == expected[1]


def terms(run: Run) -> dict[str, float]:
    rng = run.seed(0)
    source, driving, *more = run.data.pairs(2, 64, rng, run.augmentation)
    with torch.no_grad():
        found: dict[str, Tensor] = run.trainee.losses(source, driving, rng, 0.5, *more)
    return {name: float(value) for name, value in found.items()}


@pytest.mark.parametrize("model", ["mraa", "x2face", "mcnet", *SLOWER])
def test_every_term_has_its_weight_from_the_table(model: str, clips: Path, tmp_path: Path) -> None:
    run = run_of(settings(clips, tmp_path, model))
    before = terms(run)
    run.trainee.weights = {name: 3 * weight for name, weight in run.trainee.weights.items()}
    run.trainee.reconstruction.weight *= 3
    known = run.trainee.weights.keys() | {"rectified_perceptual"}
    assert terms(run) == pytest.approx({name: 3 * value for name, value in before.items()}, rel=1e-3)
    assert before.keys() <= known


def test_a_checkpoint_has_what_was_published(
    clips: Path, tmp_path: Path, interrupted_after_one: Callable[[TrainSettings], Path]
) -> None:
    chosen = settings(clips, tmp_path / "out", "mcnet-paper", save_every=1)
    checkpoint = interrupted_after_one(chosen)
    with safe_open(checkpoint, "pt") as file:
        facts = json.loads(file.metadata()["training"])
    assert facts["published"] == json.loads(json.dumps(published.of("mcnet")))
    assert facts["clip_norm"] is None and facts["bf16"] is False and "(proxy)" in facts["perceptual_network"]
    trained = torch.load(tmp_path / "out" / "state.pt", weights_only=True)["networks"]
    statistics = {key: value for key, value in load_file(checkpoint).items() if "running_" in key}
    assert statistics and all(torch.equal(value, trained[key]) for key, value in statistics.items())
    with pytest.raises(ModelError, match="another clip_norm"):
        train(settings(clips, tmp_path / "out", "mcnet-paper", clip_norm=50))


def test_other_losses_are_another_run(clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_of(settings(clips, tmp_path, "fomm")).save()
    values = published.of("fomm")
    monkeypatch.setattr(published, "of", lambda *_: values | {"weights": values["weights"] | {"perceptual": 9}})
    with pytest.raises(ModelError, match="another published"):
        run_of(settings(clips, tmp_path, "fomm"))
