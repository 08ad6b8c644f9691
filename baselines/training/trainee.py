"""Base of the training of every model: its networks, its reduced configuration and its weighted losses."""

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

MOTION_SIDE = 64  # of the images for keypoints and dense motion, for frames of 256 pixels


class Trainee(ABC):
    """Networks, reduced configuration and losses of one model.

    networks: by the official checkpoint's top-level names.
    config: in the form of the official configuration files.
    without: entries of it for networks that are not trained, with their values in the checkpoint.
    fewest: least number of pairs for the losses.
    takes_poses: whether `losses` has a last argument of the driving frames' true head poses, from `settings.poses`.
    deforms: the frames, source or driving, that the equivariance losses deform in short trainings.
    shareable: submodules of `networks` that can start from another model's checkpoint.
    origin: how other networks in the checkpoint were trained.
    discriminator: set from outside; not part of `networks`.
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
    reconstruction: Reconstruction  # unset if no frames are compared
    discriminator: Discriminator | None = None
    compared: tuple[Tensor, Tensor]  # the latest frames of `compare`, to train the discriminator

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
        """Return the networks of the checkpoint."""
        return dict(self.networks)

    @property
    def motion_side(self) -> int:
        """Return the side of the images for keypoints and dense motion, in all stages."""
        return self.frame_size // 4

    @property
    def exported_config(self) -> dict[str, Any]:
        """Return the configuration for the checkpoint."""
        without = {key: value for key, value in self.without.items() if key in self.config}
        return self.config | without | {"frame_size": self.frame_size}

    def deformed(self, count: int) -> int:
        """Return the number of a batch's frames with deformed copies for the equivariance losses."""
        # Half of them in short trainings, since a detector pass over all costs as much as the other two passes.
        return count if self.published else max(1, count // 2)

    def compare(self, generated: Tensor, target: Tensor, rng: torch.Generator) -> dict[str, Tensor]:
        """Return weighted losses of results ``(N, 3, S, S)`` and their targets: reconstruction, and adversarial."""
        parts = self.reconstruction(generated, target, rng)
        if self.discriminator is None:
            return parts
        self.compared = generated.detach(), target
        return parts | self.weighted(self.discriminator.terms(generated, target))

    def weighted(self, terms: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the losses times their weights, which are the published ones, in short trainings too."""
        return {name: self.weights[name] * value for name, value in terms.items()}

    def to(self, device: torch.device) -> Trainee:
        self.networks.to(device)
        for module in self.networks.modules():
            if isinstance(module, nn.Conv2d):
                module.to(memory_format=self.memory_format)  # type: ignore[call-overload]
        self.reconstruction.to(device)
        return self

    def reduced_precision(self, device: torch.device) -> torch.autocast:
        """Return the autocast context for the generator's forward pass."""
        return torch.autocast(device.type, torch.bfloat16, enabled=self.bf16)

    @abstractmethod
    def set_side(self, side: int) -> None:
        """Make the networks take frames of this side; `frame_size` is what the checkpoint is for."""

    @abstractmethod
    def reconstruct(self, source: Tensor, driving: Tensor) -> Tensor:
        """Return the driving frames ``(N, 3, S, S)`` in [0, 1], generated from the source's."""

    @abstractmethod
    def losses(self, source: Tensor, driving: Tensor, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Return weighted scalar losses by name. progress: share of finished steps, in [0, 1)."""

    def notes(self, poses: Tensor | None) -> dict[str, str]:
        """Return facts for log and checkpoint besides the settings. poses: of all frames ``(M, 3)``, NaN if unknown."""
        return {}

    def measure(self, source: Tensor, driving: Tensor) -> None:
        """Run the networks on a batch as in use, so that norms measure their statistics."""
        self.reconstruct(source, driving)

    def start_from(self, state: Mapping[str, Tensor]) -> list[str]:
        """Load the parts in `shareable` that a checkpoint has in the same shapes; return their names.

        A variant's network may lack some of these parts. Blur kernels are ignored: they are computed, and depend on the
        side of the frames.
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
            raise ModelError("none of its networks has the shapes of this model's networks", code="other-network")
        return taken
