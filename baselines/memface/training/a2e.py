"""Training of MemFace's audio to expression: Eq. 4 on the meshes of people who speak.

From the paper: Adam, 1e-4; alternate updates of network and memory in the first half; adaptation with 5e-6 for 200
epochs. Choices of this project, since the paper does not give them: windows, batches, epochs. The recipe ``short``
learns from seconds of speech: faster, with dropout and augmentation (mirrored faces, other tempi, interpolated frames,
noise).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from baselines.errors import ModelError
from baselines.memface import losses
from baselines.memface.audio_to_expression import AudioToExpression
from baselines.memface.basis import Basis
from baselines.memface.expression_file import RATE, config, tensors
from baselines.memface.memory import ImplicitMemory, PairMemory
from baselines.memface.training.loop import Stage
from baselines.memface.training.takes import Take
from baselines.speech.feature import SpeechFeature

FINE = 4  # places per frame at which speech is computed, for other tempi and interpolated frames
DEVIATION = 0.5  # least deviation of a feature, relative to the mean deviation: it may vary more in other speech
ALTERNATE = 0.5  # share of the steps with alternate updates of network and memory


@dataclass(frozen=True)
class A2ERecipe:
    """How a network learns.

    rate: of Adam; falling: decrease it to 0 by a half cosine. batch: windows per step. mirror: also use mirrored faces.
    tempo: largest relative change of speed. between: also start windows between frames. noise: added to features, in
    their standard deviations.
    """

    rate: float = 1e-4
    falling: bool = False
    batch: int = 16
    mirror: bool = False
    tempo: float = 0.0
    between: bool = False
    noise: float = 0.0


PUBLISHED = A2ERecipe()
PUBLISHED_ADAPTATION = A2ERecipe(rate=5e-6)
SHORT = A2ERecipe(rate=1e-3, falling=True, mirror=True, tempo=0.1, between=True, noise=0.5)
SHORT_ADAPTATION = A2ERecipe(rate=3e-4, falling=True, mirror=True, tempo=0.1, between=True, noise=0.5)


@dataclass(frozen=True)
class _Line:
    """One take: speech ``(FINE (n - 1) + 1, F)``; coefficients, mouth and visibility of a face for n frames."""

    speech: Tensor
    coefficients: Tensor
    mouth: Tensor  # (n, h_v, 3), relative to the person's at coefficients of zero
    seen: Tensor


def _facts(one: Take) -> dict[str, Any]:
    seconds = [round(float(one.times[0]), 3), round(float(one.times[-1] + 1 / RATE), 3)]
    return {"clip": one.clip, "seconds": seconds, "frames": len(one.times), "sha256": one.sha256}


def _parts(line: _Line) -> tuple[Tensor, ...]:
    return line.speech, line.coefficients, line.mouth, line.seen


class A2EStage(Stage):
    """Audio to expression in training. Build it right after ``torch.manual_seed(seed)``."""

    def __init__(
        self,
        name: str,
        network: AudioToExpression,
        basis: Basis,
        feature: SpeechFeature,
        takes: Sequence[Take],
        recipe: A2ERecipe,
        *,
        started_from: Mapping[str, Any] | None = None,
    ):
        """Prepare the data. takes: each counts as one person. started_from: facts of the starting file; None: new.

        A new network takes means and deviations of its features from these takes; an explicit memory is always filled
        with them.
        """
        self.name, self.basis, self.feature, self.recipe = name, basis, feature, recipe
        if basis.width != network.config.coefficients or feature.width != network.config.features:
            raise ModelError(f"{name}: the network is for other features or another basis", code="other-network")
        self.network = network
        self.lines = [line for one in takes for line in self._lines(one)]
        # Concatenated, so that a batch is gathered at once.
        self.whole = _Line(*(torch.cat(parts) for parts in zip(*map(_parts, self.lines))))
        self.frames = torch.tensor([len(line.seen) for line in self.lines])
        self.ends = self.frames.cumsum(0)
        self.networks = nn.ModuleDict({"network": network})
        if started_from is None:
            heard = self.whole.speech
            network.mean.copy_(heard.mean(0))
            network.scale.copy_(heard.std(0).clamp(min=DEVIATION * heard.std(0).mean().item() + 1e-6))
        if isinstance(network.memory, PairMemory):
            plain = self.lines[:: 2 if recipe.mirror else 1]
            seen = [(line.speech[::FINE][line.seen], line.coefficients[line.seen]) for line in plain]
            network.memory.rebuild(*(torch.cat(parts) for parts in zip(*seen)))
        memory = network.memory
        stored = {id(memory.keys), id(memory.values)} if isinstance(memory, ImplicitMemory) else set()
        groups = {
            "network": [value for value in network.parameters() if id(value) not in stored],
            "memory": [value for value in network.parameters() if id(value) in stored],
        }
        self.optimizers = {key: torch.optim.Adam(values, recipe.rate) for key, values in groups.items() if values}
        self.components = torch.from_numpy(basis.components[:, basis.mouth]).float()
        self.identity = {
            "config": config(network, basis, feature),
            "recipe": asdict(recipe),
            "feature": feature.signature,
            "basis": basis.signature,
            "takes": [_facts(one) for one in takes],
            "started_from": None if started_from is None else dict(started_from),
        }

    def step(self, number: int, rng: torch.Generator, progress: float) -> dict[str, float]:
        """Update network and memory: alternately in the first half, both after that."""
        self.network.train()
        speech, coefficients, mouth, outside, seen = self._batch(rng)
        if not seen.any():  # the times are between frames and beside ones without a face
            return {}
        found = self.network(speech, outside)[seen]
        parts = {
            "coefficients": losses.COEFFICIENTS * losses.coefficient_loss(found, coefficients[seen]),
            "vertices": losses.VERTICES * losses.vertex_loss(torch.tensordot(found, self.components, 1), mouth[seen]),
        }
        memory = self.network.memory
        if isinstance(memory, ImplicitMemory):
            parts["memory"] = losses.REGULARIZER * losses.memory_loss(memory.keys, memory.values)
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        torch.stack(list(parts.values())).sum().backward()
        rate = self.recipe.rate * (0.5 * (1 + math.cos(math.pi * progress)) if self.recipe.falling else 1.0)
        for key in self._turn(number, progress):
            for group in self.optimizers[key].param_groups:
                group["lr"] = rate
            self.optimizers[key].step()
        return {name: value.item() for name, value in parts.items()}

    def checkpoint(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        facts = {key: value for key, value in self.identity.items() if key != "config"}
        return tensors(self.network, self.basis), facts | {"config": self.identity["config"]}

    def _turn(self, number: int, progress: float) -> list[str]:
        """Return the optimizers of this step."""
        names = list(self.optimizers)
        return [names[number % len(names)]] if progress < ALTERNATE else names

    def _lines(self, one: Take) -> Iterator[_Line]:
        places = one.times[0] + np.arange(FINE * (len(one.times) - 1) + 1) / (RATE * FINE)
        speech = torch.from_numpy(self.feature.of(one.clip).rows(one.sound, places))
        for face in (one, one.mirrored())[: 2 if self.recipe.mirror else 1]:
            person = self.basis.person(face.aligned[face.seen])
            coefficients = self.basis.coefficients(face.aligned, person)
            mouth = self.basis.truth(face.aligned, person) - self.basis.rest(person)[self.basis.mouth]
            first, second = (torch.from_numpy(np.asarray(value)).float() for value in (coefficients, mouth))
            yield _Line(speech, first, second, torch.from_numpy(one.seen))

    def _batch(self, rng: torch.Generator) -> tuple[Tensor, ...]:
        """Return windows: speech ``(B, T, F)``, coefficients, mouth; outside, seen: bool ``(B, T)``.

        Windows are around frames with a face, all equally likely.
        """
        recipe, span, count = self.recipe, self.network.config.window, self.recipe.batch
        frame = torch.multinomial(self.whole.seen.float(), count, replacement=True, generator=rng)
        line = torch.searchsorted(self.ends, frame, right=True)
        last = (self.frames[line] - 1)[:, None]
        start = (self.ends - self.frames)[line][:, None]
        middle = (frame[:, None] - start).float()
        if recipe.between:
            middle = middle + torch.rand(count, 1, generator=rng) - 0.5
        tempo = 1 + recipe.tempo * (2 * torch.rand(count, 1, generator=rng) - 1)
        places = (torch.arange(span) - span // 2) * tempo + middle
        outside = (places < 0) | (places > last)
        places = places.clamp(min=0).minimum(last)
        seen = self.whole.seen[places.floor().long() + start] & self.whole.seen[places.ceil().long() + start] & ~outside
        fine = FINE * start - (FINE - 1) * line[:, None]  # a line's first row of speech
        speech = _between(self.whole.speech, places * FINE, fine, FINE * last)
        if recipe.noise:
            speech = speech + recipe.noise * self.network.scale * torch.randn(speech.shape, generator=rng)
        faces = (_between(value, places, start, last) for value in (self.whole.coefficients, self.whole.mouth))
        return speech, *faces, outside, seen


def _between(rows: Tensor, places: Tensor, start: Tensor, last: Tensor) -> Tensor:
    """Interpolate rows ``(N, ...)`` linearly to ``(B, T, ...)``.

    places: ``(B, T)``, counted from `start` ``(B, 1)``; last: ``(B, 1)``, the largest place.
    """
    low = places.floor().long().minimum((last - 1).clamp(min=0))
    share = (places - low).view(*low.shape, *[1] * (rows.ndim - 1))
    return rows[low + start] * (1 - share) + rows[(low + 1).minimum(last) + start] * share
