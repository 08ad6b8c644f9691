"""Training of MemFace's renderer: Eq. 6 on people's own meshes, with an explicit memory for each person.

From the paper: Adam, 1e-4, also in adaptation (50 epochs), lambda 20 and 1, a new memory for a new speaker. Choices of
this project, since the paper does not give them: batches of 4; the discriminator; memory slots near the target frame
are ignored, because they would contain the answer in training only; losses are of the pasted picture, so that the
network does not learn to copy the template; in short trainings VGG sees a square around the mouth, not the window.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.memface import render_losses
from baselines.memface.explicit import Selection
from baselines.memface.renderer import ExplicitMemory, Renderer
from baselines.memface.training.footage import Footage
from baselines.memface.training.loop import Stage
from baselines.training.adversarial import frozen
from baselines.training.discriminators import SLOPE, PatchDiscriminator
from baselines.training.vgg import Vgg19Features, VggFeatures

_SEAM = 3  # pixels around the mask that are also pasted


@dataclass(frozen=True)
class RenderRecipe:
    """How a renderer learns.

    rate: of Adam. batch: frames per step. left_out: frames on either side of the target that the memory must ignore.
    adversarial: use the discriminator of Eq. 6, with `discriminator` channels in its first level. vgg_side: side of
    VGG's square around the mouth in pixels; None: the whole window. vgg_layers: number of its layers, up to 5.
    """

    rate: float = 1e-4
    batch: int = 4
    left_out: int = 5
    adversarial: bool = True
    discriminator: int = 64
    vgg_side: int | None = None
    vgg_layers: int = 5


SHORT = RenderRecipe(rate=1e-3, adversarial=False, vgg_side=40, vgg_layers=3)
SHORT_ADAPTATION = replace(SHORT, rate=5e-4)


class RenderStage(Stage):
    """The renderer and its discriminator. Build it right after ``torch.manual_seed(seed)``."""

    def __init__(
        self,
        name: str,
        config: Mapping[str, Any],
        people: Sequence[Footage],
        recipe: RenderRecipe = RenderRecipe(),
        *,
        seed: int,
        start: Mapping[str, Tensor] | None = None,
        vgg: Path | None = None,
        device: torch.device | None = None,
    ):
        """Prepare the training. people: one `Footage` each; the checkpoint has the memory of the first.

        start: weights of a renderer to start from, without its explicit memory.
        vgg: torchvision's VGG-19; None: the VGG-16 of a package.
        """
        self.name, self.recipe, self.people, self.seed = name, recipe, tuple(people), seed
        self.device = device = device or torch.device("cpu")
        self.renderer = Renderer(config)
        self.memories: list[tuple[Selection, Tensor, Tensor]] = []
        if isinstance(self.renderer.memory, ExplicitMemory):
            self.memories = [one.memory(config["slots"], seed) for one in people]
            self._remember(0)
        if start is not None:
            _begin(self.renderer, start)
        self.discriminator = _discriminator(recipe.discriminator) if recipe.adversarial else None
        parts: dict[str, nn.Module] = {"renderer": self.renderer}
        if self.discriminator is not None:
            parts["discriminator"] = self.discriminator
        self.networks = nn.ModuleDict(parts).to(device)
        self.optimizers = {key: torch.optim.Adam(part.parameters(), recipe.rate) for key, part in parts.items()}
        self.vgg = (VggFeatures() if vgg is None else Vgg19Features(vgg)).to(device)
        self.identity = {
            "config": {**config},
            "recipe": asdict(recipe),
            "people": [{"identity": one.identity, "frames": len(one.scenes), "sha256": one.sha256} for one in people],
            "vgg": self.vgg.name,
        }

    def _remember(self, person: int) -> None:
        memory = self.renderer.memory
        if isinstance(memory, ExplicitMemory):
            _, keys, patches = self.memories[person]
            memory.fill(keys.to(self.device), patches.to(self.device))

    def step(self, number: int, rng: torch.Generator, progress: float) -> dict[str, float]:
        """Take a step of the discriminator, if there is one, then one of the renderer."""
        person = int(torch.randint(len(self.people), (1,), generator=rng)) if len(self.people) > 1 else 0
        of = self.people[person]
        self.renderer.train()
        if len(self.people) > 1:
            self._remember(person)
        chosen = self._chosen(number, person, len(of.scenes))
        inputs, target = of.batch(chosen, self.device)
        masked = inputs[2]
        pasted = F.max_pool2d(masked, 2 * _SEAM + 1, 1, _SEAM)
        answer = self.renderer(*inputs, left_out=self._left_out(person, chosen))
        rendered = pasted * answer + (1 - pasted) * target
        losses: dict[str, float] = {}
        if self.discriminator is not None:
            verdicts = self.discriminator(torch.cat([target, rendered.detach()])).verdict.chunk(2)
            loss = render_losses.ADVERSARIAL * render_losses.discriminator(*verdicts)
            self._take("discriminator", loss)
            losses["discriminator"] = float(loss.detach())
        square = self._square(inputs[4], rng)
        features = [self.vgg(_cropped(image, square), self.recipe.vgg_layers) for image in (rendered, target)]
        verdict = None
        if self.discriminator is not None:
            with frozen(self.discriminator):
                verdict = self.discriminator(rendered).verdict
        loss = render_losses.total(rendered, target, features, verdict)
        self._take("renderer", loss)
        losses |= {"l2": float(render_losses.l2(rendered.detach(), target)), "total": float(loss.detach())}
        if len(self.people) > 1:
            self._remember(0)  # a restored state has the sizes of the first person's memory
        return losses

    def _take(self, which: str, loss: Tensor) -> None:
        optimizer = self.optimizers[which]
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    def _chosen(self, number: int, person: int, count: int) -> Tensor:
        """Return the frames of this step; every epoch has all frames once, in a new order."""
        epoch_steps = max(1, math.ceil(count / self.recipe.batch))
        epoch, at = divmod(number, epoch_steps)
        order = torch.randperm(count, generator=torch.Generator().manual_seed(self.seed * 7919 + epoch * 131 + person))
        return order[at * self.recipe.batch : (at + 1) * self.recipe.batch]

    def _left_out(self, person: int, chosen: Tensor) -> Tensor | None:
        """Return slots ``(B, N)`` to ignore: target frames and near ones; none if that would be all slots."""
        if not self.memories:
            return None
        positions = torch.from_numpy(self.people[person].positions)
        stored = positions[torch.from_numpy(self.memories[person][0].indices)]
        near = (positions[chosen][:, None] - stored[None]).abs() <= self.recipe.left_out
        return (near & ~near.all(1, keepdim=True)).to(self.device)

    def _square(self, placement: Tensor, rng: torch.Generator) -> tuple[int, int, int] | None:
        """Return top, left and side of VGG's square: around the first frame's mouth, randomly shifted."""
        side, whole = self.recipe.vgg_side, self.renderer.framing.side
        if side is None or side >= whole:
            return None
        matrix = placement[0].double().cpu()
        middle = torch.linalg.solve(matrix[:, :2], -matrix[:, 2]) * whole / 2 + whole / 2
        moved = middle + (torch.rand(2, generator=rng, dtype=torch.float64) - 0.5) * (side / 2)
        left, top = (min(max(int(value) - side // 2, 0), whole - side) for value in moved)
        return top, left, side

    def checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the renderer with the first person's memory, without the discriminator."""
        tensors = {f"renderer.{key}": value for key, value in self.renderer.state_dict().items()}
        facts: dict[str, Any] = {"config": dict(self.renderer.config)}
        if self.memories:
            facts["memory"] = self.memories[0][0].facts() | {"identity": self.people[0].identity}
        facts["lost_frames"] = sum(one.lost for one in self.people)
        return tensors, facts


def steps(people: Sequence[Footage], epochs: int, batch: int) -> int:
    """Return the number of steps of this many epochs."""
    return epochs * sum(math.ceil(len(one.scenes) / batch) for one in people)


def _begin(renderer: Renderer, start: Mapping[str, Tensor]) -> None:
    stored = {"memory.keys", "memory.patches", "memory.spacing"}
    state = renderer.state_dict()
    for key, value in state.items():
        if key in stored and isinstance(renderer.memory, ExplicitMemory):
            continue
        value.copy_(start[key])


def _cropped(image: Tensor, square: tuple[int, int, int] | None) -> Tensor:
    if square is None:
        return image
    top, left, side = square
    return image[..., top : top + side, left : left + side]


def _discriminator(width: int) -> PatchDiscriminator:
    """Return the discriminator of windows: four 4x4 convolutions of stride 2 with leaky ReLU, and a last one."""
    widths = (3, width, 2 * width, 4 * width, 4 * width)
    blocks = [
        nn.Sequential(nn.Conv2d(before, after, 4, 2, 1), nn.LeakyReLU(SLOPE))
        for before, after in zip(widths, widths[1:])
    ]
    return PatchDiscriminator(blocks, nn.Conv2d(widths[-1], 1, 3, padding=1))
