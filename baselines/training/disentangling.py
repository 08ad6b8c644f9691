"""The AVD network in training: animation via disentanglement of MRAA and TPSM, after their other networks.

Siarohin et al., CVPR 2021, Sec. 3.5, and Zhao and Zhang, CVPR 2022, with points instead of regions. For two frames of
one video, the shape encoder gets the source's geometry, and the pose encoder the driving frame's, randomly stretched in
width and height. L1 compares the result with the original driving geometry. A stretched pose does not reveal the shape,
so the network must take it from the source.

Choices that the papers leave open: factors are from 0.75 to 1.25, independent per axis, relative to the frame's center;
centers and axes, or points, have weight 1; frames have the sides of their networks.
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
    """Train only the AVD network; all other networks are those of the checkpoint `settings.init_from`.

    Continues the training of an AVD network in the checkpoint. Raises ModelError if the model has none, or if it is not
    a checkpoint of the model.
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
        kind: Any = network_class(name)  # AVD models are driven by frames
        # Plain, since cached results of frames would outlive changes of the weights.
        device, options = torch.device("cpu"), {"plain": "true"}
        found = checkpoints.load(settings.init_from, about)
        config = found.config or kind.infer_config(about, found)
        if "avd_network" not in found.states:
            kind(about, found, device, options)  # raises the specific error
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
        """Do nothing: the constructor has loaded the networks, in new and resumed runs."""
        return list(self.exported)

    def set_side(self, side: int) -> None:
        """Do nothing: the exported networks have a fixed frame side."""

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
    """Multiply x and y of regions or points ``(N, K, 2)`` by `factors` ``(N, 2)``."""
    if not isinstance(geometry, Regions):
        return geometry * factors[:, None]
    matrix = torch.diag_embed(factors)[:, None]
    affine = matrix @ geometry.affine
    return Regions(geometry.shift * factors[:, None], affine @ affine.transpose(2, 3), affine)


def _numbers(config: Mapping[str, Any]) -> int:
    """Return the count of numbers that describe a frame: six per region, two per point."""
    if "num_regions" in config:
        return 6 * config["num_regions"]
    return 2 * POINTS_PER_TPS * config["common_params"]["num_tps"]
