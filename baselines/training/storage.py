"""The state of a run between two steps, saved and restored, and the facts in its checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch

from baselines.errors import ModelError
from baselines.training import published
from baselines.training.adversarial import Adversary
from baselines.training.average import Average
from baselines.training.data import TrainingFrames
from baselines.training.evaluation import Evaluations
from baselines.training.files import sha256
from baselines.training.settings import FREE, TrainSettings
from baselines.training.trainee import Trainee
from baselines.unpickling import read_safely


class Run(Protocol):
    """The parts of a training run that are stored, or compared on resuming."""

    settings: TrainSettings
    data: TrainingFrames
    trainee: Trainee
    optimizer: torch.optim.Optimizer
    adversary: Adversary | None
    average: Average | None
    evaluations: Evaluations
    device: torch.device
    state_file: Path
    notes: dict[str, str]
    step: int
    skipped: int
    split: int
    seconds: float
    rows: list[dict[str, Any]]
    sums: dict[str, float]


def identity(run: Run) -> dict[str, Any]:
    """Return what must be equal to resume from a state."""
    fixed = run.settings.model_dump(mode="json", exclude=FREE)
    files = {name: getattr(run.settings, name) for name in ("init_from", "vgg", "poses")}
    # Keys of discriminator, poses and part are added only if used, so that older states still match.
    del fixed["adversarial"]
    fixed |= {"adversarial": True} if run.adversary else {}
    if fixed["part"] == "networks":
        del fixed["part"]
    if fixed["recipe"] == "published":
        # Losses and their weights are not part of the settings.
        fixed["published"] = published.of(run.settings.model, run.settings.part)
    if files["poses"] is None:
        del fixed["poses"], files["poses"]
    return fixed | {k: sha256(v) if v else None for k, v in files.items()} | {"data_sha256": run.data.sha256}


def state(run: Run) -> dict[str, Any]:
    """Return everything that the next step depends on; no random state, since each step has its own seed."""
    opponent = {"discriminator": run.adversary.state()} if run.adversary else {}
    return opponent | {
        "networks": run.trainee.networks.state_dict(),
        "optimizer": run.optimizer.state_dict(),
        "average": run.average.tensors if run.average else None,
        "step": run.step,
        "skipped": run.skipped,
        "split": run.split,
        "seconds": run.seconds,
        "rows": run.rows,
        "sums": run.sums,
        "evaluations": run.evaluations.rows,
        "identity": identity(run),
    }


def restore(run: Run) -> None:
    """Restore a run from its state file. Raises ModelError if it is of a run with other settings or data."""
    kept = read_safely(run.state_file, str(run.device))
    # A state from before a setting existed was made with its default.
    defaults = {name: field.default for name, field in TrainSettings.model_fields.items()}
    defaults = {k: list(v) if isinstance(v, tuple) else v for k, v in defaults.items()}
    if not {"identity", "networks", "optimizer", "step"} <= kept.keys():
        raise ModelError(f"{run.state_file} is not a training state", code="not-a-training-state")
    before, now = defaults | kept["identity"], defaults | identity(run)
    differing = [key for key, value in now.items() if before.get(key) != value]
    if differing:
        raise ModelError(
            f"{run.state_file} belongs to a run with another {', '.join(differing)}; use another folder",
            code="other-training",
        )
    if parts := set(run.trainee.networks) ^ {key.partition(".")[0] for key in kept["networks"]}:
        raise ModelError(
            f"{run.state_file} belongs to a run with another {', '.join(sorted(parts))}; use another folder",
            code="other-training",
        )
    run.step, run.skipped, run.seconds = kept["step"], kept["skipped"], kept["seconds"]
    run.rows, run.sums, run.split = kept["rows"], kept["sums"], kept.get("split", 1)
    run.evaluations.rows = kept.get("evaluations", [])
    run.trainee.set_side(run.settings.stage(max(run.step - 1, 0))[0])
    run.trainee.networks.load_state_dict(kept["networks"])
    run.optimizer.load_state_dict(kept["optimizer"])
    if run.adversary:
        run.adversary.load(kept["discriminator"])
    if run.average:
        run.average.load(kept["average"])


def facts(run: Run) -> dict[str, Any]:
    """Return the facts on its training for a checkpoint."""
    compared = getattr(run.trainee, "reconstruction", None)
    return identity(run) | {
        "data_frames": len(run.data),
        "seconds": round(run.seconds),
        "step": run.step,
        "stages": run.settings.plan,
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "perceptual_network": compared.features.name if compared else None,
        "split": run.split,
        **run.notes,
        **({"trained_on": dict(run.trainee.origin)} if run.trainee.origin else {}),
    }
