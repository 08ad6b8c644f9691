"""Adversarial training: the losses as pure functions, and a discriminator that is trained with the generator.

LSGAN = Mao et al., ICCV 2017; the hinge form is that of Lim and Ye, "Geometric GAN", 2017, as SPADE takes it (Park et
al., CVPR 2019); pix2pixHD = Wang et al., CVPR 2018. The functions return unweighted scalars.

Left open by DaGAN (Hong et al., CVPR 2022) and face-vid2vid (Wang et al., CVPR 2021), and plain here: feature matching
is over all layers, as in FOMM's code and in pix2pixHD; the discriminator takes frames in [0, 1] as
they are, in float32, without keypoints, and learns from the first step on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.card import MODELS, card, named, systems
from baselines.predictor import ModelError
from baselines.training import published
from baselines.training.discriminators import (
    Judgment,
    MultiScale,
    PatchDiscriminator,
    family_discriminator,
    pix2pix_discriminator,
    residual_discriminator,
)
from baselines.training.losses import mean_absolute
from baselines.training.settings import BETAS, TrainSettings


def least_squares_generator(generated: Tensor) -> Tensor:
    """Return mean (D(generated) - 1)^2 of verdicts of any shape (LSGAN Eq. 9 without its 1/2, as in FOMM's family)."""
    return (generated - 1).square().mean()


def least_squares_discriminator(real: Tensor, generated: Tensor) -> Tensor:
    """Return mean (D(real) - 1)^2 plus mean D(generated)^2 (LSGAN Eq. 9 without its 1/2)."""
    return (real - 1).square().mean() + generated.square().mean()


def hinge_generator(generated: Tensor) -> Tensor:
    """Return -mean D(generated) (hinge form)."""
    return -generated.mean()


def hinge_discriminator(real: Tensor, generated: Tensor) -> Tensor:
    """Return mean max(0, 1 - D(real)) plus mean max(0, 1 + D(generated)) (hinge form)."""
    return F.relu(1 - real).mean() + F.relu(1 + generated).mean()


def non_saturating_generator(generated: Tensor) -> Tensor:
    """Return mean log(1 + exp(-D(generated))) (Goodfellow et al., NeurIPS 2014, Sec. 3, with D before its sigmoid)."""
    return F.softplus(-generated).mean()


def non_saturating_discriminator(real: Tensor, generated: Tensor) -> Tensor:
    """Return mean log(1 + exp(-D(real))) plus mean log(1 + exp(D(generated)))."""
    return F.softplus(-real).mean() + F.softplus(generated).mean()


def feature_matching(real: Sequence[Judgment], generated: Sequence[Judgment]) -> Tensor:
    """Return the sum over layers of mean |D_i(real) - D_i(generated)| (pix2pixHD Eq. 4); the real side is detached."""
    scales = [
        torch.stack([mean_absolute(a.detach(), b) for a, b in zip(one.features, other.features, strict=True)]).sum()
        for one, other in zip(real, generated, strict=True)
    ]
    return torch.stack(scales).mean()


@dataclass(frozen=True)
class Form:
    """The form of one paper's adversarial training."""

    discriminators: Callable[[], Sequence[PatchDiscriminator]]
    generator: Callable[[Tensor], Tensor]
    discriminator: Callable[[Tensor, Tensor], Tensor]


# face-vid2vid's: one scale for frames of 256 pixels, two for those of 512, as the paper's supplement has it.
HINGE = Form(lambda: [pix2pix_discriminator()], hinge_generator, hinge_discriminator)
# DaGAN's, and that of FOMM's `vox-adv`: a finetuning beyond the paper.
LEAST_SQUARES = Form(lambda: [family_discriminator()], least_squares_generator, least_squares_discriminator)

# LIA's: StyleGAN2's losses and its network.
NON_SATURATING = Form(lambda: [residual_discriminator()], non_saturating_generator, non_saturating_discriminator)


class Discriminator(nn.Module):
    """A form's discriminators; `forward` returns their loss."""

    def __init__(self, form: Form):
        super().__init__()
        self.form = form
        self.networks = MultiScale(form.discriminators())

    def forward(self, generated: Tensor, real: Tensor) -> Tensor:
        """Return the discriminator's unweighted loss on frames ``(N, 3, S, S)`` in [0, 1], detached from generators."""
        terms = []
        # Both in one pass, since each pass takes a step of spectral norm. No norm mixes frames.
        for judged in self.networks(torch.cat([real.detach(), generated.detach()])):
            terms.append(self.form.discriminator(*judged.verdict.split(len(real))))
        return torch.stack(terms).mean()

    def terms(self, generated: Tensor, real: Tensor) -> dict[str, Tensor]:
        """Return the generator's unweighted losses, without effect on the discriminator and its norms."""
        with frozen(self.networks):
            with torch.no_grad():
                wanted = self.networks(real)
            found = self.networks(generated)
        fooled = torch.stack([self.form.generator(judged.verdict) for judged in found]).mean()
        return {
            "adversarial": fooled,
            "feature_matching": feature_matching(wanted, found),
        }


class Adversary:
    """A discriminator and its optimizer in a training run: Adam with the generator's rate and betas."""

    def __init__(self, form: Form, rate: float, device: torch.device):
        self.module = Discriminator(form).to(device)
        self.loss: nn.Module = self.module  # may be wrapped for several processes
        self.optimizer = torch.optim.Adam(self.module.parameters(), rate, BETAS)

    def state(self) -> dict[str, Any]:
        return {"networks": self.module.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load(self, state: dict[str, Any]) -> None:
        self.module.load_state_dict(state["networks"])
        self.optimizer.load_state_dict(state["optimizer"])


def form(settings: TrainSettings) -> Form | None:
    """Return the form of adversarial training of `settings.model`; None without adversarial training.

    A variant has its model's form. Raises ModelError if it is requested for a model without a form.
    """
    if settings.adversarial is False or (settings.adversarial is None and settings.recipe != "published"):
        return None
    name = settings.model
    reference = card(name).discriminator if name in MODELS else None
    wanted = settings.adversarial or published.of(name)["adversarial"]
    if settings.adversarial and reference is None:
        known = ", ".join(model for model in systems() if card(model).discriminator)
        raise ModelError(
            f"adversarial: '{name}' has no adversarial training; {known} and their variants have one",
            code="no-training",
        )
    return named(reference) if wanted and reference else None


def adversary(settings: TrainSettings, device: torch.device) -> Adversary | None:
    """Return the adversary, initialized from the global generator; None, and no draw, without adversarial training."""
    chosen = form(settings)
    return Adversary(chosen, settings.learning_rate, device) if chosen else None


@contextmanager
def frozen(networks: nn.Module) -> Iterator[None]:
    """Block gradients to the networks' parameters, and changes of their norms' statistics."""
    networks.eval().requires_grad_(False)
    try:
        yield
    finally:
        networks.train().requires_grad_(True)
