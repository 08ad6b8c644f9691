"""The AVD network in training: animation via disentanglement of MRAA and TPSM, on top of networks that are trained.

Siarohin et al., CVPR 2021, Sec. 3.5, and Zhao and Zhang, CVPR 2022, who took it over with points for regions. Two
frames of one video: the shape encoder sees the source's geometry, the pose encoder the driving frame's, stretched at
random in width and height, and L1 compares the result with the driving geometry as it was. A stretched pose does not
tell the shape any more, so that it has to come from the source.

Open in the papers, and decided here: factors are drawn from 0.75 to 1.25 for each axis by itself, about the frame's
center; centers and axes, or points, weigh 1; frames keep the sides that their networks are for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from baselines import checkpoints
from baselines.blocks.avd import AVDNetwork
from baselines.card import MODELS, card
from baselines.mraa.regions import Regions
from baselines.predictor import ModelError, PairBatch
from baselines.registry import network_class
from baselines.tpsm.network import POINTS_PER_TPS
from baselines.training import losses, published
from baselines.training.norms import norms
from baselines.training.settings import TrainSettings
from baselines.training.trainee import Trainee

STRETCH = 0.25


class DisentanglingTrainee(Trainee):
    """The AVD network alone; everything else stays as it is in the checkpoint that `settings.init_from` names.

    Where that has an AVD network already, its training continues. Raises ModelError where the model has none, or the
    checkpoint is none of it.
    """

    fewest = 2  # for batch norm

    def __init__(self, settings: TrainSettings):
        name, self.frame_size = settings.model, settings.frame_size
        if name not in MODELS or "avd_network" not in card(name).parts:
            known = ", ".join(model for model in MODELS if "avd_network" in card(model).parts)
            raise ModelError(f"part: '{name}' has no AVD network; {known} have one", code="no-training")
        if settings.init_from is None:
            raise ModelError(
                "part: the AVD network is trained on trained networks; init_from names their checkpoint",
                code="missing-option",
            )
        if not settings.init_from.is_file():
            raise ModelError(f"init_from {settings.init_from}: no such file", code="missing-file")
        about = card(name)
        kind: Any = network_class(name)  # of a network that frames drive
        # Plain: what is remembered of a frame on a CPU would outlive the step that changes it.
        device, options = torch.device("cpu"), {"plain": "true"}
        found = checkpoints.load(settings.init_from, about)
        config = found.config or kind.infer_config(about, found)
        if "avd_network" not in found.states:
            kind(about, found, device, options)  # says what is wrong with it
            config = config | {"avd_network_params": about.config["avd_network_params"]}
            fresh = AVDNetwork(_numbers(config), **config["avd_network_params"])
            found = replace(found, states=found.states | {"avd_network": fresh.state_dict()})
        self.predictor = kind(about, replace(found, config=config), device, options)
        if self.predictor.size.trained not in (None, self.frame_size):
            raise ModelError(
                f"init_from: its networks are for frames of {self.predictor.frame_size} pixels: frame_size",
                code="frame-size",
            )
        self.predictor.work_at(self.frame_size)
        self.config, self.origin = config, found.facts
        self.network: Any = self.predictor.network  # MRAA or TPSM
        self.network.avd_network.requires_grad_(True)
        self.weights = published.of(name, "avd")["weights"]
        self.networks = nn.ModuleDict({"avd_network": self.network.get_submodule("avd_network")})

    @property
    def exported(self) -> dict[str, nn.Module]:
        return {name: part for name, part in self.network.named_children() if name in self.predictor.card.parts}

    def to(self, device: torch.device) -> DisentanglingTrainee:
        self.network.to(device)
        return self

    def start_from(self, state: Mapping[str, Tensor]) -> list[str]:
        """They were taken from it already, by a new run as by one that resumes."""
        return list(self.exported)

    def set_side(self, side: int) -> None:
        """The networks are as they were exported, for frames of one side."""

    @torch.no_grad()
    def reconstruct(self, source: Tensor, driving: Tensor) -> Tensor:
        count = len(source)
        batch = PairBatch(tuple(map(str, range(count))), source, driving, None, None, (0,) * count)
        return self.predictor.animate(batch, "avd")

    def measure(self, source: Tensor, driving: Tensor) -> None:
        self.disentangled(self.network.detect(source), self.network.detect(driving))

    def disentangled(self, source: Any, driving: Any) -> Any:
        if isinstance(source, Regions):
            return self.network.disentangled(source, driving)
        return self.network.avd_network(source, driving)

    def losses(self, source: Tensor, driving: Tensor, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        if len(source) < self.fewest and any(norm.training for norm in norms(self.networks)):
            raise ModelError(
                f"the AVD network's batch norm needs {self.fewest} pairs at once: see `stages` in --config",
                code="bad-value",
            )
        with torch.no_grad():
            at_source, at_driving = self.network.detect(source), self.network.detect(driving)
        factors = (1 - STRETCH + 2 * STRETCH * torch.rand(len(driving), 2, generator=rng)).to(driving.device)
        made = self.disentangled(at_source, stretched(at_driving, factors))
        if isinstance(made, Regions):
            parts = {
                "shift": losses.mean_absolute(made.shift, at_driving.shift),
                "affine": losses.mean_absolute(made.affine, at_driving.affine),
            }
            return self.weighted(parts)
        return self.weighted({"points": losses.mean_absolute(made.float(), at_driving)})


def stretched(geometry: Any, factors: Tensor) -> Any:
    """Regions or points ``(N, K, 2)`` whose x and y are multiplied by `factors` ``(N, 2)``."""
    if not isinstance(geometry, Regions):
        return geometry * factors[:, None]
    matrix = torch.diag_embed(factors)[:, None]
    affine = matrix @ geometry.affine
    return Regions(geometry.shift * factors[:, None], affine @ affine.transpose(2, 3), affine)


def _numbers(config: Mapping[str, Any]) -> int:
    """How many describe one frame: six a region, two a point."""
    if "num_regions" in config:
        return 6 * config["num_regions"]
    return 2 * POINTS_PER_TPS * config["common_params"]["num_tps"]
