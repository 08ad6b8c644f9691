"""What every trained model has in common: its networks, its reduced configuration and its weighted losses."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from baselines.card import MODELS, card, merged
from baselines.errors import ModelError
from baselines.training import published
from baselines.training.adversarial import Discriminator
from baselines.training.reconstruction import PERCEPTUAL_WEIGHT, Reconstruction
from baselines.training.settings import TrainSettings

MOTION_SIDE = 64  # of the images that keypoints and dense motion are made from, for frames of 256 pixels


class Trainee(ABC):
    """Networks, reduced configuration and losses of one model.

    networks: by the names of the official checkpoint's top level.
    config: in the form of the official configuration files.
    without: entries of it that name networks which are not trained, as the checkpoint has them instead.
    fewest: pairs that the losses can be measured on.
    takes_poses: `losses` takes, last, the driving frames' true head poses where `settings.poses` names a table of them.
    deforms: the frames, source or driving, whose deformed copies the equivariance losses compare, in short trainings.
    shareable: submodules of `networks` that may start from another model's checkpoint.
    origin: how the networks that the checkpoint has beside the trained ones were trained.
    discriminator: what the results are to deceive, set from outside; no part of `networks`.
    """

    networks: nn.ModuleDict
    config: dict[str, Any]
    without: Mapping[str, Any] = {}
    fewest: int = 1
    takes_poses: bool = False
    deforms: tuple[str, ...] = ("driving",)
    shareable: tuple[str, ...] = ()
    memory_format: torch.memory_format = torch.channels_last
    origin: Mapping[str, Any] = {}
    frame_size: int = 256
    reconstruction: Reconstruction  # none where no frames are compared
    discriminator: Discriminator | None = None
    compared: tuple[Tensor, Tensor]  # the last frames that `compare` saw, for the discriminator to learn from

    def __init__(self, settings: TrainSettings):
        if settings.model in MODELS and card(settings.model).trained_as:
            self.config = merged(self.config, card(settings.model).changes)
        if settings.size == "published":
            self.config = card(settings.model).config
        self.frame_size, self.bf16 = settings.frame_size, settings.bf16
        self.published = settings.recipe == "published"
        about = published.of(settings.model, settings.part)
        self.weights = about["weights"] | about["adversarial_weights"]
        self.deforms = tuple(about["equivariance"]) if self.published else self.deforms
        perceptual = self.weights.get("perceptual", PERCEPTUAL_WEIGHT)
        self.reconstruction = Reconstruction(settings.bf16, self.published, settings.vgg, perceptual)

    @property
    def exported(self) -> Mapping[str, nn.Module]:
        """The networks of the checkpoint."""
        return dict(self.networks)

    @property
    def motion_side(self) -> int:
        """Side of the images that keypoints and dense motion are made from, whatever the side of a stage."""
        return self.frame_size // 4

    @property
    def exported_config(self) -> dict[str, Any]:
        """The configuration of the networks that are trained, as it is stored in the checkpoint."""
        without = {key: value for key, value in self.without.items() if key in self.config}
        return self.config | without | {"frame_size": self.frame_size}

    def deformed(self, count: int) -> int:
        """Of how many frames of a batch there are deformed copies for the equivariance losses."""
        # Half of them in short trainings: a detector pass over all would cost as much as both of the others.
        return count if self.published else max(1, count // 2)

    def compare(self, generated: Tensor, target: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """Weighted losses of results ``(N, 3, S, S)`` against their targets: reconstruction, and adversarial ones."""
        parts = self.reconstruction(generated, target, rng)
        if self.discriminator is None:
            return parts
        self.compared = generated.detach(), target
        return parts | self.weighted(self.discriminator.terms(generated, target))

    def weighted(self, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The losses times their weights, which are the published ones, in short trainings too."""
        return {name: self.weights[name] * value for name, value in terms.items()}

    def to(self, device: torch.device) -> Trainee:
        self.networks.to(device)
        for module in self.networks.modules():
            if isinstance(module, nn.Conv2d):
                module.to(memory_format=self.memory_format)  # type: ignore[call-overload]
        self.reconstruction.to(device)
        return self

    def reduced_precision(self, device: torch.device) -> torch.autocast:
        """Context for the generator's forward pass."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.bf16)

    @abstractmethod
    def set_side(self, side: int) -> None:
        """Make the networks take frames of this side; `frame_size` is what the checkpoint is for."""

    @abstractmethod
    def reconstruct(self, source: Tensor, driving: Tensor) -> Tensor:
        """The driving frames ``(N, 3, S, S)`` in [0, 1], made from the source's pixels."""

    @abstractmethod
    def losses(self, source: Tensor, driving: Tensor, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Weighted scalar losses by name. `progress`: share of the steps that are done."""

    def notes(self, poses: Tensor | None) -> dict[str, str]:
        """What log and checkpoint are to tell beside the settings. poses: of all frames ``(M, 3)``, NaN if unknown."""
        return {}

    def measure(self, source: Tensor, driving: Tensor) -> None:
        """Let every norm see a batch as it comes in use."""
        self.reconstruct(source, driving)

    def start_from(self, state: Mapping[str, Tensor]) -> list[str]:
        """Fill the parts in `shareable` that a checkpoint has, in the same shapes; returns their names.

        A variant's network may lack some of these parts.
        Blur kernels are left out: they are computed, and depend on the side of the frames.
        """
        taken = []
        modules = dict(self.networks.named_modules())
        for name in (name for name in self.shareable if name in modules):
            part = modules[name]
            values = {k.removeprefix(name + "."): v for k, v in state.items() if k.startswith(name + ".")}
            values, own = (
                {k: v for k, v in state.items() if k != "down.weight"} for state in (values, part.state_dict())
            )
            if own and all(k in values and values[k].shape == own[k].shape for k in own):
                part.load_state_dict({k: values[k] for k in own}, strict=False)
                taken.append(name)
        if not taken:
            raise ModelError("no network in it has the shape of a network of this model", code="other-network")
        return taken
