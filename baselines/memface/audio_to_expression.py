"""MemFace's first stage: features of speech to coefficients of the face (arXiv:2212.05005, Eq. 3).

The paper gives widths, M, D and numbers of parameters; the layers are the ones that fit these numbers (docs/sound.md).
Choices of this project, since the paper does not give them: sinusoidal positions, 4 heads, post-norm, dropout, windows
of T frames, standardized features.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from baselines.memface.memory import ImplicitMemory, Memory, PairMemory, Projections


@dataclass(frozen=True)
class A2EConfig:
    """Configuration of a network.

    features: F, numbers of speech per frame. width: h, h_a in the paper. coefficients: h_c. slots: M. dim: D.
    memory: implicit; none; or explicit, with `slots` pairs of the data. window: T, frames that attend to each other,
    an even number.
    """

    features: int = 64
    coefficients: int = 85
    width: int = 64
    memory: Literal["implicit", "none", "explicit"] = "implicit"
    slots: int = 1000
    dim: int = 64
    projections: Projections = "reconstructed"
    heads: int = 4
    feedforward: int = 256
    window: int = 64
    dropout: float = 0.1

    def as_json(self) -> dict[str, Any]:
        """Return the fields for a checkpoint."""
        return asdict(self)


class AudioToExpression(nn.Module):
    """Encoder, memory, decoder: ``decoder(Q + attention(Q, K, V))`` with ``Q = encoder(A)``."""

    memory: Memory | None
    positions: Tensor
    mean: Tensor
    scale: Tensor

    def __init__(self, config: A2EConfig = A2EConfig()):
        super().__init__()
        self.config = config
        self.features = nn.Linear(config.features, config.width)
        self.encoder, self.decoder = _layer(config), _layer(config)
        self.coefficients = nn.Linear(config.width, config.coefficients)
        self.memory = _memory(config)
        self.register_buffer("positions", _positions(config.window, config.width), persistent=False)
        # Mean and deviation of the training features, per number, to standardize the input. Not learned.
        self.register_buffer("mean", torch.zeros(config.features))
        self.register_buffer("scale", torch.ones(config.features))

    def query(self, speech: Tensor, outside: Tensor | None = None) -> Tensor:
        """Return Q of Eq. 3 ``(B, T, h)``, the encoder's output. See `forward`."""
        hidden = self.features((speech - self.mean) / self.scale) + self.positions[: speech.shape[1]]
        found: Tensor = self.encoder(hidden, src_key_padding_mask=outside)
        return found

    def forward(self, speech: Tensor, outside: Tensor | None = None) -> Tensor:
        """Return coefficients ``(B, T, h_c)`` for speech ``(B, T, F)``, T up to the window.

        outside: bool ``(B, T)``, True for frames before a clip's first or after its last, masked in attention.
        """
        query = self.query(speech, outside)
        if self.memory is not None:
            query = query + self.memory(query)
        found: Tensor = self.coefficients(self.decoder(query, src_key_padding_mask=outside))
        return found


def parameters(network: nn.Module) -> int:
    """Return the number of parameters: ``Param.`` of Tables 5a and 7."""
    return sum(value.numel() for value in network.parameters())


@torch.inference_mode()
def stream(network: AudioToExpression, parts: Iterable[Tensor]) -> Iterator[Tensor]:
    """Yield coefficients ``(n, h_c)`` of all frames in order, for a clip's features ``(n, F)`` in parts of any length.

    Windows of T frames start at multiples of T / 2 of the clip's frames; overlapping windows are blended with
    triangular weights. So the result does not depend on the parts, to the bit, and memory does not grow. Results come
    T / 2 frames late, in parts of T / 2 frames.
    """
    network.eval()
    half = network.config.window // 2
    rise = (torch.arange(half) + 0.5)[:, None] / half
    previous: Tensor | None = None
    late = torch.empty(0)
    for block in _blocks(parts, half):
        answer = _window(network, previous, block)
        if previous is not None:
            yield late + rise * answer[:half]
        late, previous = (1 - rise[: len(block)]) * answer[half : half + len(block)], block
    if previous is not None:
        yield late + (rise * _window(network, previous, None)[:half])[: len(previous)]


def _blocks(parts: Iterable[Tensor], size: int) -> Iterator[Tensor]:
    """Yield the same rows in blocks of `size`; the last block may be shorter."""
    held: list[Tensor] = []
    count = 0
    for part in parts:
        held, count = [*held, part.float()], count + len(part)
        if count >= size:
            rows = torch.cat(held)
            while len(rows) >= size:
                yield rows[:size].clone()
                rows = rows[size:]
            held, count = [rows], len(rows)
    if count:
        yield torch.cat(held)


def _window(network: AudioToExpression, first: Tensor | None, second: Tensor | None) -> Tensor:
    """Return coefficients ``(T, h_c)`` for one window of two blocks; a block of None is outside the clip."""
    config = network.config
    speech, outside = torch.zeros(1, config.window, config.features), torch.ones(1, config.window, dtype=torch.bool)
    for block, start in ((first, 0), (second, config.window // 2)):
        if block is not None:
            speech[0, start : start + len(block)] = block
            outside[0, start : start + len(block)] = False
    found: Tensor = network(speech, outside)[0]
    return found


def _layer(config: A2EConfig) -> nn.TransformerEncoderLayer:
    """Return a layer of self-attention and feed-forward; also for the decoder, which has one input stream in Eq. 3."""
    return nn.TransformerEncoderLayer(config.width, config.heads, config.feedforward, config.dropout, batch_first=True)


def _memory(config: A2EConfig) -> Memory | None:
    if config.memory == "implicit":
        return ImplicitMemory(config.slots, config.dim, config.width, config.projections)
    if config.memory == "explicit":
        return PairMemory(config.slots, config.features, config.coefficients, config.dim, config.width)
    return None


def _positions(count: int, width: int) -> Tensor:
    """Return the sines and cosines of Vaswani et al. (NeurIPS 2017), ``(count, width)``."""
    angle = torch.arange(count)[:, None] * torch.exp(torch.arange(0, width, 2) * (-math.log(10000) / width))
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)
