"""SyncNet (Chung and Zisserman, "Out of time", ACCV workshops 2016): synchrony of mouth and voice.

The network is the published one (joonson/syncnet_python, MIT) where it differs from the paper: color faces of
224 x 224, a first convolution over five frames. It reads ``syncnet_v2.model``. LSE-D and LSE-C of the lip-sync papers
are `Sync.min_distance` and `Sync.confidence`. Face detection and cropping are in `bench.sync`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from baselines.speech.mfcc import RATE, mfcc
from bench.detectors.weights import load
from bench.runtime.errors import UserError

FILE = "syncnet_v2.model"
FPS, SIDE = 25, 224
SPAN = 5  # video frames per window, 0.2 s
COLUMNS, HOP = 20, 4  # MFCC columns per window, and per video frame
VSHIFT = 15
MEDIAN = 9
EPS = 1e-6


class SyncNet(nn.Module):
    """Two streams with a common embedding space. Keys are the official ones, with indices in a Sequential."""

    def __init__(self, width: int = 1024):
        """Create the network. width: D, the size of the common space."""
        super().__init__()
        self.netcnnaud = nn.Sequential(
            *_conv2d(1, 64, 3, 1),
            nn.MaxPool2d(1, 1),  # no effect, but part of the numbering
            *_conv2d(64, 192, 3, 1),
            nn.MaxPool2d(3, (1, 2)),
            *_conv2d(192, 384, 3, 1),
            *_conv2d(384, 256, 3, 1),
            *_conv2d(256, 256, 3, 1),
            nn.MaxPool2d(3, 2),
            *_conv2d(256, 512, (5, 4), 0),
        )
        self.netfcaud = _head(width)
        self.netfclip = _head(width)
        self.netcnnlip = nn.Sequential(
            *_conv3d(3, 96, (SPAN, 7, 7), 2, 0),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_conv3d(96, 256, (1, 5, 5), 2, 1),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2), (0, 1, 1)),
            *_conv3d(256, 256, (1, 3, 3), 1, 1),
            *_conv3d(256, 256, (1, 3, 3), 1, 1),
            *_conv3d(256, 256, (1, 3, 3), 1, 1),
            nn.MaxPool3d((1, 3, 3), (1, 2, 2)),
            *_conv3d(256, 512, (1, 6, 6), 1, 0),
        )

    def lip_features(self, frames: Tensor) -> Tensor:
        """Convert BGR faces ``(N, 3, T, 224, 224)`` in [0, 255] to ``(N, T - 4, 512)``, one per window of five frames.

        Only the first layer convolves over time, so that windows share their frames.
        """
        return self.netcnnlip(frames)[..., 0, 0].transpose(1, 2)

    def lip(self, features: Tensor) -> Tensor:
        """Map `lip_features` ``(..., 512)`` to the common space ``(..., D)``, not normalized."""
        return self.netfclip(features.flatten(0, -2)).unflatten(0, features.shape[:-1])

    def audio(self, windows: Tensor) -> Tensor:
        """Map twenty MFCC columns ``(N, 1, 13, 20)`` to the common space ``(N, D)``, not normalized."""
        return self.netfcaud(self.netcnnaud(windows).flatten(1))


@dataclass(frozen=True)
class Sync:
    """Agreement of W windows over K = 2 vshift + 1 shifts; tensors may have leading batch dimensions.

    distances: ``(W, K)``; at k the voice is k - vshift frames later than the video.
    mean_distance: ``(K,)``, over windows. min_distance: its minimum, LSE-D (lower is better).
    offset: vshift - k of the minimum, in video frames; negative if the voice is late.
    confidence: median minus minimum of mean_distance, LSE-C (higher is better).
    framewise_raw, framewise: ``(W,)`` confidence of each window at that offset; smoothed by a median of nine.
    """

    distances: Tensor
    mean_distance: Tensor
    min_distance: Tensor
    offset: Tensor
    confidence: Tensor
    framewise_raw: Tensor
    framewise: Tensor


def synchronise(lip: Tensor, audio: Tensor, vshift: int = VSHIFT) -> Sync:
    """Compare features ``(..., W, D)`` of video and audio at every shift of up to `vshift` frames.

    The voice is padded with zeros, which are compared too, as in the published code.
    """
    distances = shifted_distances(lip, F.pad(audio, (0, 0, vshift, vshift)), vshift)
    mean = distances.mean(-2)
    minimum, best = mean.min(-1)
    median = mean.median(-1).values
    at_best = distances.gather(-1, best[..., None, None].expand(*distances.shape[:-1], 1))[..., 0]
    raw = median[..., None] - at_best
    smooth = F.pad(raw, (MEDIAN // 2, MEDIAN // 2)).unfold(-1, MEDIAN, 1).median(-1).values
    return Sync(distances, mean, minimum, vshift - best, median - minimum, raw, smooth)


def shifted_distances(lip: Tensor, audio: Tensor, vshift: int = VSHIFT) -> Tensor:
    """Return distances ``(..., W, 2 vshift + 1)`` of ``(..., W, D)`` to audio padded by `vshift` windows per end."""
    precise = torch.promote_types(lip.dtype, torch.float32)
    lip, audio = lip.to(precise), audio.to(precise)
    windows = lip.shape[-2]
    shifted = (audio[..., k : k + windows, :] for k in range(2 * vshift + 1))
    return torch.stack([(lip - late + EPS).square().sum(-1).sqrt() for late in shifted], -1)


def usable(frames: int, samples: int) -> int:
    """Return the number of compared windows, one fewer than fit, as in the published code. Raises UserError for 0."""
    windows = min(frames, samples * FPS // RATE) - SPAN
    if windows < 1:
        raise UserError(
            f"SyncNet needs {SPAN + 1} frames with {RATE // FPS} samples of sound each; "
            f"got {frames} frames and {samples} samples",
            code="too-few-frames",
        )
    return windows


def lip_features(net: SyncNet, faces: Tensor, windows: int, batch: int = 20) -> Tensor:
    """Return `SyncNet.lip_features` ``(windows, 512)`` of the first windows of uint8 RGB faces ``(T, 224, 224, 3)``.

    batch: windows at a time; changes the memory, not the result.
    """
    device = next(net.parameters()).device
    parts = []
    for start in range(0, windows, batch):
        part = faces[start : min(start + batch, windows) + SPAN - 1].to(device).flip(-1)
        parts.append(net.lip_features(part.permute(3, 0, 1, 2)[None].float())[0])
    return torch.cat(parts)


def audio_windows(samples: np.ndarray, windows: int) -> Tensor:
    """Return MFCC ``(windows, 1, 13, 20)`` float32 of the first windows of mono int16 audio ``(n,)`` at 16 kHz."""
    columns = torch.from_numpy(mfcc(samples).astype(np.float32))
    return columns.unfold(1, COLUMNS, HOP)[:, :windows].transpose(0, 1)[:, None]


def evaluate(net: SyncNet, faces: Tensor, samples: np.ndarray, batch: int = 20) -> Sync:
    """Return LSE-D, LSE-C and offset of uint8 RGB face crops ``(T, 224, 224, 3)`` at 25 fps and their voice.

    samples: mono int16 ``(n,)`` at 16 kHz. The longer of the two is cut to the other's length. Raises UserError if
    fewer than six frames have sound.
    """
    windows = usable(len(faces), len(samples))
    device = next(net.parameters()).device
    with torch.inference_mode():
        lip = net.lip(lip_features(net, faces, windows, batch))
        return synchronise(lip, net.audio(audio_windows(samples, windows).to(device)))


def read(file: Path, device: str = "cpu") -> SyncNet:
    """Load the network with the weights of a file, in evaluation mode. Raises UserError for another file."""
    net = SyncNet()
    counters = {key: value for key, value in net.state_dict().items() if key.endswith("num_batches_tracked")}
    try:
        net.load_state_dict({**counters, **load(file, device)})  # old versions of torch did not count batches
    except (RuntimeError, TypeError, AttributeError):
        raise UserError(f"{file} does not hold the weights of SyncNet", code="other-network") from None
    return net.to(device).eval()


def _conv2d(inputs: int, outputs: int, kernel: int | tuple[int, int], padding: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, kernel, padding=padding), nn.BatchNorm2d(outputs), nn.ReLU()


def _conv3d(
    inputs: int, outputs: int, kernel: tuple[int, int, int], stride: int, padding: int
) -> tuple[nn.Module, ...]:
    """Apply a convolution block; stride and padding are for height and width, not for time."""
    conv = nn.Conv3d(inputs, outputs, kernel, (1, stride, stride), (0, padding, padding))
    return conv, nn.BatchNorm3d(outputs), nn.ReLU()


def _head(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(512, 512), nn.BatchNorm1d(512), nn.ReLU(), nn.Linear(512, width))
