"""AD-NeRF's two small networks of speech (Guo et al., ICCV 2021): a window to a vector, and eight vectors to one.

Written from the facts of its published code; state dicts have the keys of its checkpoints
(``network_audnet_state_dict`` and ``network_audattnet_state_dict``).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.speech.deepspeech import LETTERS

SLOPE = 0.02  # of every leaky ReLU
SMOOTHED = 8  # frames i - 4 … i + 3
HEARD = 32  # channels that attention is computed from, at any width


class AudioNet(nn.Module):
    """Map windows ``(n, 16, F)`` to vectors ``(n, width)``."""

    def __init__(self, features: int = LETTERS, width: int = 64):
        super().__init__()
        channels = (features, 32, 32, 64, 64)
        convolutions: list[nn.Module] = []
        for inner, outer in zip(channels, channels[1:]):
            convolutions += [nn.Conv1d(inner, outer, 3, 2, 1), nn.LeakyReLU(SLOPE)]
        self.encoder_conv = nn.Sequential(*convolutions)  # 16 -> 8 -> 4 -> 2 -> 1
        self.encoder_fc1 = nn.Sequential(nn.Linear(64, 64), nn.LeakyReLU(SLOPE), nn.Linear(64, width))

    def forward(self, windows: Tensor) -> Tensor:
        """Return vectors ``(n, width)``. windows: ``(n, 16, F)``."""
        found: Tensor = self.encoder_fc1(self.encoder_conv(windows.transpose(1, 2)).squeeze(2))
        return found


class AudioAttNet(nn.Module):
    """Weighted sums ``(n, width)`` of eight vectors each, ``(n, 8, width)``."""

    def __init__(self) -> None:
        super().__init__()
        channels = (HEARD, 16, 8, 4, 2, 1)
        convolutions: list[nn.Module] = []
        for inner, outer in zip(channels, channels[1:]):
            convolutions += [nn.Conv1d(inner, outer, 3, 1, 1), nn.LeakyReLU(SLOPE)]
        self.attentionConvNet = nn.Sequential(*convolutions)
        self.attentionNet = nn.Sequential(nn.Linear(SMOOTHED, SMOOTHED), nn.Softmax(dim=1))

    def attention(self, vectors: Tensor) -> Tensor:
        """Return the weights ``(n, 8)`` of the eight vectors."""
        heard = self.attentionConvNet(vectors[..., :HEARD].transpose(1, 2))
        found: Tensor = self.attentionNet(heard.squeeze(1))
        return found

    def forward(self, vectors: Tensor) -> Tensor:
        """Return the weighted sums ``(n, width)``. vectors: ``(n, 8, width)``."""
        return (self.attention(vectors)[..., None] * vectors).sum(1)


def surroundings(windows: Tensor) -> Tensor:
    """Return eight windows per frame ``(n, 8, 16, F)`` from ``(n, 16, F)``: of frames i - 4 to i + 3, zeros outside."""
    half = SMOOTHED // 2
    padded = torch.cat(
        [windows.new_zeros(half, *windows.shape[1:]), windows, windows.new_zeros(half, *windows.shape[1:])]
    )
    return torch.stack([padded[i : i + len(windows)] for i in range(SMOOTHED)], 1)


def smoothed(net: AudioNet, attention: AudioAttNet, windows: Tensor) -> Tensor:
    """Return the vectors ``(n, width)`` of all frames of a clip with windows ``(n, 16, F)``."""
    around = surroundings(windows)
    found: Tensor = attention(net(around.flatten(0, 1)).view(len(windows), SMOOTHED, -1))
    return found
