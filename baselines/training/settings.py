"""The settings of a training run."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from baselines.card import Stages, card
from baselines.training import published

# Of a network of the published size with the recipe ``short``, from the first step on at the size that it is for.
PUBLISHED_STAGES: Stages = ((256, 1.0, 4),)
AVD_STAGES: Stages = ((256, 1.0, 32),)
BETAS = (0.5, 0.999)  # Adam's, of every training
# Fields that may differ between the parts of one run: they move nothing, or (device) nothing that is promised.
FREE = {"data", "out", "cache", "save_every", "log_every", "evaluate_every", "patience", "tensorboard", "device"}


class TrainSettings(BaseModel):
    """Settings of one training run; every field moves the result, except those in `FREE`.

    model: one of `trainees.trained`, or a variant of these.
    data: folder of clips, ``<clip>/<frame>.png`` or ``<clip>.mp4``; clips: which of them, all if None.
    cache: folder for decoded frames, which are then read from the disk as needed; None: all are kept in memory.
    excluded: names of clips that are left out, as `clips.names` has them (see `exclude`).
    out: folder for ``state.pt`` (to resume), ``log.csv`` and, at the end, ``<model>.safetensors``.
    part: what is trained: the model's networks, or ``avd``, MRAA's and TPSM's network for animation via
        disentanglement, on top of the trained networks in `init_from`, which stay as they are; `size` and `bf16` say
        nothing then.
    size: the reduced network that a sample checkpoint has, or the one with the published widths.
    frame_size: side of the frames that the network is for.
    stages: coarse-to-fine plan, the model's own (its card's, in proportion to the frame size) if empty.
    schedule: of the learning rate, see `rate`; milestones: of the schedule ``step``, as shares of the steps.
    recipe: ``short``: helps that a few thousand steps on a few clips need; ``published``: losses, augmentation and
        sampling as in the papers: the perceptual loss at four scales and no L1, no term that spreads keypoints,
        equivariance on all of the batch, flips and colors alone, identities drawn alike often. Its defaults of the
        other fields are what is published of the model (`published.of`), with as many batches in a step as there were
        processes, shared by `devices`.
    vgg: weight file of torchvision's VGG-19, the papers' one; None: the VGG-16 of a package.
    poses: table of the frames' true head poses (see `poses`), for face-vid2vid's head pose loss; None: without it.
    adversarial: train against a discriminator; None: where the model's paper does and the recipe is ``published``.
    clip_norm: largest L2 norm of each network's gradient, larger ones are scaled down; None, or inf: none is.
    weight_decay: of Adam.
    accumulate: batches whose gradients are summed up in a step. devices: processes that each take such batches.
    ema: decay of a moving average of the weights, which is then what is exported; 0: none.
    init_from: a checkpoint, or the ``state.pt`` of another run; motion networks whose keys and shapes all agree
        start from it. With part ``avd`` a whole checkpoint of the model.
    norm_freeze: share of the steps after which batch norm keeps its statistics, so that the network learns with
        those that it will be used with.
    bf16: generator and perceptual loss in bfloat16 (motion networks and losses stay in float32).
    evaluate_every: steps between two evaluations, 0: none; patience: evaluations without a better one after which the
        training ends early, 0: never. tensorboard: write scalars and pictures to ``<out>/tensorboard``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    data: Path
    out: Path
    clips: tuple[str, ...] | None = None
    excluded: tuple[str, ...] = ()
    steps: int = Field(2000, ge=1)
    seed: int = Field(0, ge=0)
    learning_rate: float = Field(1e-3, gt=0)
    part: Literal["networks", "avd"] = "networks"
    size: Literal["reduced", "published"] = "reduced"
    frame_size: int = Field(256, ge=256, multiple_of=128)
    stages: Stages = ()
    schedule: Literal["cosine", "constant", "step"] = "cosine"
    milestones: tuple[float, ...] = (0.6, 0.9)
    recipe: Literal["short", "published"] = "short"
    vgg: Path | None = None
    poses: Path | None = None
    adversarial: bool | None = None
    accumulate: int = Field(1, ge=1)
    devices: int = Field(1, ge=1)
    ema: float = Field(0.0, ge=0, lt=1)
    init_from: Path | None = None
    norm_freeze: float = Field(0.8, ge=0, le=1)
    bf16: bool = True
    clip_norm: float | None = Field(50.0, gt=0)
    weight_decay: float = Field(0.0, ge=0)
    device: str = "cpu"
    cache: Path | None = None
    tensorboard: bool = False
    evaluate_every: int = Field(0, ge=0)
    patience: int = Field(0, ge=0)
    save_every: int = Field(100, ge=1)
    log_every: int = Field(20, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _of_recipe(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("recipe") != "published":
            return values
        model = values.get("model")  # not checked yet: what is no text may be endless as one
        about = published.of(model if isinstance(model, str) else "", str(values.get("part")))
        own = {name: about[name] for name in ("learning_rate", "weight_decay", "clip_norm", "bf16")}
        own |= {"schedule": "step", "norm_freeze": 1.0}
        own["milestones"] = tuple(epoch / about["epochs"] for epoch in about["milestones"])
        devices = values.get("devices", 1)
        if "processes" in about and not values.get("stages") and isinstance(devices, int) and devices > 0:
            own["accumulate"] = math.ceil(about["processes"] / devices)
        return {**own, **values}

    @field_validator("clip_norm")
    @classmethod
    def _finite(cls, norm: float | None) -> float | None:
        return None if norm == math.inf else norm

    @field_validator("milestones")
    @classmethod
    def _ascending(cls, shares: tuple[float, ...]) -> tuple[float, ...]:
        if list(shares) != sorted(shares) or not all(0 < share < 1 for share in shares):
            raise ValueError("must ascend between 0 and 1")
        return shares

    @property
    def plan(self) -> Stages:
        if self.stages:
            return self.stages
        return tuple((side * self.frame_size // 256, share, batch) for side, share, batch in self._usual_plan())

    def _usual_plan(self) -> Stages:
        """The plan for frames of 256 pixels."""
        if self.recipe == "published":
            about = published.of(self.model, self.part)
            # All processes together took so many, or each of them.
            pairs = about["pairs"] if "processes" in about else math.ceil(about["pairs"] / self.devices)
            return ((256, 1.0, pairs),)
        if self.part == "avd":
            return AVD_STAGES
        return PUBLISHED_STAGES if self.size == "published" else card(self.model).stages

    def published_steps(self, identities: int) -> int:
        """Steps of the published epochs over data of so many identities, each drawn the published number of times."""
        about = published.of(self.model, self.part)
        return max(1, round(about["epochs"] * about["repeats"] * identities / self.pairs_of_a_step()))

    def pairs_of_a_step(self) -> float:
        """Pairs in a step of all processes, the mean over the stages."""
        return sum(share * batch for _, share, batch in self.plan) * self.accumulate * self.devices

    def published_pairs(self) -> int:
        """Pairs in a step of the published training."""
        about = published.of(self.model, self.part)
        return about["pairs"] * about.get("processes", 1)

    def stage(self, step: int) -> tuple[int, int]:
        """(side, batch size) of step 0 … steps-1."""
        end = 0.0
        for side, share, batch in self.plan:
            end += share
            if step < round(end * self.steps):
                return side, batch
        return self.plan[-1][0], self.plan[-1][2]

    def rate(self, step: int) -> float:
        """Learning rate of a step.

        cosine: 50 steps of linear warm-up, then a half cosine down to a fiftieth. constant: what it says. step: a tenth
        after each milestone, as FOMM and its successors were trained (60 and 90 of 100 epochs; TPSM: 70 and 90).
        """
        if self.schedule == "constant":
            return self.learning_rate
        if self.schedule == "step":
            return self.learning_rate * 0.1 ** sum(step >= round(share * self.steps) for share in self.milestones)
        warm = min(1.0, (step + 1) / 50)
        cosine = 0.5 * (1 + torch.cos(torch.tensor(torch.pi * step / self.steps)).item())
        return self.learning_rate * warm * (0.02 + 0.98 * cosine)
