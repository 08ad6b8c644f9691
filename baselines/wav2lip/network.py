"""Wav2Lip's generator and its lip-sync expert (Prajwal et al. 2020, "A Lip Sync Expert Is All You Need", Sec. 3).

Images are BGR in [0, 1], 96x96; log-mel spectrograms are images ``(1, 80, 16)`` in [-4, 4] (`baselines.wav2lip.mel`).
The attribute names are those of the official checkpoints, so that their state dicts load after removing ``module.``.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE = 96
SPAN = 5  # frames per input of the expert

Pair = int | tuple[int, int]


class Block(nn.Module):
    """Convolution, batch norm, the input added if `residual`, ReLU: ``(N, in, H, W)`` to ``(N, out, H', W')``."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: Pair = 1, padding: int = 0, residual: bool = False
    ):
        super().__init__()
        convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding)
        self.conv_block = nn.Sequential(convolution, nn.BatchNorm2d(outputs))
        self.residual = residual

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv_block(x)
        return F.relu(out + x if self.residual else out)


class UpBlock(nn.Module):
    """Transposed 3x3 convolution, batch norm, ReLU.

    ``(N, in, H, W)`` to ``(N, out, 2H, 2W)``, or without `doubling` to ``(N, out, H + 2, W + 2)``.
    """

    def __init__(self, inputs: int, outputs: int, doubling: bool = True):
        super().__init__()
        stride, padding = (2, 1) if doubling else (1, 0)
        convolution = nn.ConvTranspose2d(inputs, outputs, 3, stride, padding, output_padding=padding)
        self.conv_block = nn.Sequential(convolution, nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.conv_block(x))


class Wav2Lip(nn.Module):
    """The generator: redraws the lower half of a face to match the sound.

    The decoder starts from the sound only; the face encoder's features are concatenated after each of its blocks.
    """

    def __init__(self) -> None:
        super().__init__()
        self.face_encoder_blocks = nn.ModuleList(
            [
                nn.Sequential(Block(6, 16, 7, padding=3)),
                nn.Sequential(*_stage(16, 32, 2, 2)),
                nn.Sequential(*_stage(32, 64, 2, 3)),
                nn.Sequential(*_stage(64, 128, 2, 2)),
                nn.Sequential(*_stage(128, 256, 2, 2)),
                nn.Sequential(*_stage(256, 512, 2, 1)),
                nn.Sequential(Block(512, 512, 3), Block(512, 512, 1)),
            ]
        )
        self.audio_encoder = _audio_encoder(residuals_at_256=1)
        self.face_decoder_blocks = nn.ModuleList(
            [
                nn.Sequential(Block(512, 512, 1)),
                nn.Sequential(UpBlock(1024, 512, doubling=False), *_residuals(512, 1)),
                nn.Sequential(UpBlock(1024, 512), *_residuals(512, 2)),
                nn.Sequential(UpBlock(768, 384), *_residuals(384, 2)),
                nn.Sequential(UpBlock(512, 256), *_residuals(256, 2)),
                nn.Sequential(UpBlock(320, 128), *_residuals(128, 2)),
                nn.Sequential(UpBlock(160, 64), *_residuals(64, 2)),
            ]
        )
        self.output_block = nn.Sequential(Block(80, 32, 3, padding=1), nn.Conv2d(32, 3, 1), nn.Sigmoid())

    def forward(self, mel: Tensor, face: Tensor) -> Tensor:
        """Return faces ``(N, 3, 96, 96)`` in [0, 1]. mel: ``(N, 1, 80, 16)``; face: ``(N, 6, 96, 96)``.

        An input face is the masked face and the reference (`baselines.wav2lip.face.network_input`). Clips, as in
        training, are ``(B, T, 1, 80, 16)`` and ``(B, 6, T, 96, 96)`` and give ``(B, 3, T, 96, 96)``.
        """
        if mel.ndim == 5:
            items, steps = mel.shape[:2]
            flat = self(mel.transpose(0, 1).flatten(0, 1), face.permute(2, 0, 1, 3, 4).flatten(0, 1))
            return flat.unflatten(0, (steps, items)).permute(1, 2, 0, 3, 4)
        features = []
        for block in self.face_encoder_blocks:
            face = block(face)
            features.append(face)
        out = self.audio_encoder(mel)
        for block, feature in zip(self.face_decoder_blocks, reversed(features), strict=True):
            out = torch.cat([block(out), feature], 1)
        return self.output_block(out)


class Expert(nn.Module):
    """The lip-sync expert: embeds 0.2 s of sound and of mouths; the cosine is the probability that they match."""

    def __init__(self) -> None:
        super().__init__()
        self.face_encoder = nn.Sequential(
            Block(3 * SPAN, 32, 7, padding=3),
            Block(32, 64, 5, (1, 2), 1),
            *_residuals(64, 2),
            *_stage(64, 128, 2, 3),
            *_stage(128, 256, 2, 2),
            *_stage(256, 512, 2, 2),
            Block(512, 512, 3, 2, 1),
            Block(512, 512, 3),
            Block(512, 512, 1),
        )
        self.audio_encoder = _audio_encoder(residuals_at_256=2)

    def forward(self, mel: Tensor, mouths: Tensor) -> tuple[Tensor, Tensor]:
        """Return embeddings ``(N, 512)`` of sound ``(N, 1, 80, 16)`` and of mouths ``(N, 15, 48, 96)``, see `mouths`.

        Embeddings are non-negative and have length 1, so cosines are in [0, 1].
        """
        audio, face = self.audio_encoder(mel), self.face_encoder(mouths)
        return F.normalize(audio.flatten(1), dim=1), F.normalize(face.flatten(1), dim=1)


def mouths(faces: Tensor) -> Tensor:
    """Return lower halves of five consecutive faces, ``(N, 5, 3, 96, 96)`` to ``(N, 15, 48, 96)``, frame by frame."""
    return faces[..., SIDE // 2 :, :].flatten(1, 2)


def sync_loss(audio: Tensor, face: Tensor, target: float) -> Tensor:
    """Return binary cross-entropy (Eq. 2) of the cosines of embeddings ``(N, 512)`` with `target`; 1: they match."""
    cosine = F.cosine_similarity(audio, face)
    return F.binary_cross_entropy(cosine, torch.full_like(cosine, target))


def _audio_encoder(residuals_at_256: int) -> nn.Sequential:
    """Build layers from ``(N, 1, 80, 16)`` to ``(N, 512, 1, 1)``; rows 80, 27, 9, 3, 1, columns 16, 16, 6, 3, 1."""
    return nn.Sequential(
        *_stage(1, 32, 1, 2),
        *_stage(32, 64, (3, 1), 2),
        *_stage(64, 128, 3, 2),
        *_stage(128, 256, (3, 2), residuals_at_256),
        Block(256, 512, 3),
        Block(512, 512, 1),
    )


def _stage(inputs: int, outputs: int, stride: Pair, residuals: int) -> list[Block]:
    return [Block(inputs, outputs, 3, stride, 1), *_residuals(outputs, residuals)]


def _residuals(channels: int, count: int) -> list[Block]:
    return [Block(channels, channels, 3, padding=1, residual=True) for _ in range(count)]
