"""InceptionV3 of TensorFlow's graph of 2015-12-05, the network of FID, implemented from the shapes of its weights.

Keys are torchvision's. It reads the state dict published by pytorch-fid and torch-fidelity. Differences to
torchvision's network (Szegedy et al., CVPR 2016): average pools do not count padding, the last block has a max pool,
there are 1008 classes and no auxiliary head.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE, WIDTH, CLASSES = 299, 2048, 1008
Kernel = int | tuple[int, int]


class Conv(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: Kernel = 1, stride: int = 1, padded: bool = True):
        """Create the layers. padded: whether a stride of 1 keeps the size."""
        super().__init__()
        sides = (kernel, kernel) if isinstance(kernel, int) else kernel
        padding = (sides[0] // 2, sides[1] // 2) if padded else 0
        self.conv = nn.Conv2d(inputs, outputs, sides, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class Block(nn.Module):
    """Named convolutions in parallel paths, whose outputs are concatenated."""

    paths: tuple[tuple[str, ...], ...]

    def __init__(self, **convs: Conv):
        super().__init__()
        for name, conv in convs.items():
            self.add_module(name, conv)

    def along(self, x: Tensor, *names: str) -> Tensor:
        for name in names:
            x = self.get_submodule(name)(x)
        return x

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.along(x, *path) for path in self.paths]
        return torch.cat([*parts, self.pooled(x)], 1)

    def pooled(self, x: Tensor) -> Tensor:
        return self.along(F.avg_pool2d(x, 3, 1, 1, count_include_pad=False), "branch_pool")


class BlockA(Block):
    """The blocks on 35 x 35 positions; pool: channels of the pooled path."""

    paths = (
        ("branch1x1",),
        ("branch5x5_1", "branch5x5_2"),
        ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"),
    )

    def __init__(self, inputs: int, pool: int):
        super().__init__(
            branch1x1=Conv(inputs, 64),
            branch5x5_1=Conv(inputs, 48),
            branch5x5_2=Conv(48, 64, 5),
            branch3x3dbl_1=Conv(inputs, 64),
            branch3x3dbl_2=Conv(64, 96, 3),
            branch3x3dbl_3=Conv(96, 96, 3),
            branch_pool=Conv(inputs, pool),
        )


class BlockB(Block):
    """From 35 x 35 to 17 x 17 positions."""

    paths = (("branch3x3",), ("branch3x3dbl_1", "branch3x3dbl_2", "branch3x3dbl_3"))

    def __init__(self) -> None:
        super().__init__(
            branch3x3=Conv(288, 384, 3, 2, padded=False),
            branch3x3dbl_1=Conv(288, 64),
            branch3x3dbl_2=Conv(64, 96, 3),
            branch3x3dbl_3=Conv(96, 96, 3, 2, padded=False),
        )

    def pooled(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, 3, 2)


class BlockC(Block):
    """The blocks on 17 x 17 positions; width: channels inside of the paths."""

    paths = (
        ("branch1x1",),
        ("branch7x7_1", "branch7x7_2", "branch7x7_3"),
        ("branch7x7dbl_1", "branch7x7dbl_2", "branch7x7dbl_3", "branch7x7dbl_4", "branch7x7dbl_5"),
    )

    def __init__(self, width: int):
        super().__init__(
            branch1x1=Conv(768, 192),
            branch7x7_1=Conv(768, width),
            branch7x7_2=Conv(width, width, (1, 7)),
            branch7x7_3=Conv(width, 192, (7, 1)),
            branch7x7dbl_1=Conv(768, width),
            branch7x7dbl_2=Conv(width, width, (7, 1)),
            branch7x7dbl_3=Conv(width, width, (1, 7)),
            branch7x7dbl_4=Conv(width, width, (7, 1)),
            branch7x7dbl_5=Conv(width, 192, (1, 7)),
            branch_pool=Conv(768, 192),
        )


class BlockD(Block):
    """From 17 x 17 to 8 x 8 positions."""

    paths = (("branch3x3_1", "branch3x3_2"), ("branch7x7x3_1", "branch7x7x3_2", "branch7x7x3_3", "branch7x7x3_4"))

    def __init__(self) -> None:
        super().__init__(
            branch3x3_1=Conv(768, 192),
            branch3x3_2=Conv(192, 320, 3, 2, padded=False),
            branch7x7x3_1=Conv(768, 192),
            branch7x7x3_2=Conv(192, 192, (1, 7)),
            branch7x7x3_3=Conv(192, 192, (7, 1)),
            branch7x7x3_4=Conv(192, 192, 3, 2, padded=False),
        )

    def pooled(self, x: Tensor) -> Tensor:
        return F.max_pool2d(x, 3, 2)


class BlockE(Block):
    """The blocks on 8 x 8 positions, whose paths fork; last: with a max pool."""

    def __init__(self, inputs: int, last: bool):
        super().__init__(
            branch1x1=Conv(inputs, 320),
            branch3x3_1=Conv(inputs, 384),
            branch3x3_2a=Conv(384, 384, (1, 3)),
            branch3x3_2b=Conv(384, 384, (3, 1)),
            branch3x3dbl_1=Conv(inputs, 448),
            branch3x3dbl_2=Conv(448, 384, 3),
            branch3x3dbl_3a=Conv(384, 384, (1, 3)),
            branch3x3dbl_3b=Conv(384, 384, (3, 1)),
            branch_pool=Conv(inputs, 192),
        )
        self.last = last

    def forward(self, x: Tensor) -> Tensor:
        stems = {"branch3x3_2": ("branch3x3_1",), "branch3x3dbl_3": ("branch3x3dbl_1", "branch3x3dbl_2")}
        parts = [self.along(x, "branch1x1")]
        for name, path in stems.items():
            stem = self.along(x, *path)
            parts += [self.along(stem, name + fork) for fork in "ab"]
        return torch.cat([*parts, self.pooled(x)], 1)

    def pooled(self, x: Tensor) -> Tensor:
        return self.along(F.max_pool2d(x, 3, 1, 1), "branch_pool") if self.last else super().pooled(x)


class Inception(nn.Module):
    """Return pool features ``(N, 2048)`` of images ``(N, 3, 299, 299)`` from a front end (`resize`)."""

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = Conv(3, 32, 3, 2, padded=False)
        self.Conv2d_2a_3x3 = Conv(32, 32, 3, padded=False)
        self.Conv2d_2b_3x3 = Conv(32, 64, 3)
        self.Conv2d_3b_1x1 = Conv(64, 80)
        self.Conv2d_4a_3x3 = Conv(80, 192, 3, padded=False)
        self.Mixed_5b = BlockA(192, 32)
        self.Mixed_5c = BlockA(256, 64)
        self.Mixed_5d = BlockA(288, 64)
        self.Mixed_6a = BlockB()
        self.Mixed_6b = BlockC(128)
        self.Mixed_6c = BlockC(160)
        self.Mixed_6d = BlockC(160)
        self.Mixed_6e = BlockC(192)
        self.Mixed_7a = BlockD()
        self.Mixed_7b = BlockE(1280, last=False)
        self.Mixed_7c = BlockE(2048, last=True)
        self.fc = nn.Linear(WIDTH, CLASSES)

    def stages(self, images: Tensor) -> dict[int, Tensor]:
        """Return maps ``(N, C, h, w)`` by number of channels, like pytorch-fid's blocks: 64, 192, 768, 2048."""
        first = F.max_pool2d(self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(images))), 3, 2)
        second = F.max_pool2d(self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(first)), 3, 2)
        third = self.Mixed_5d(self.Mixed_5c(self.Mixed_5b(second)))
        third = self.Mixed_6e(self.Mixed_6d(self.Mixed_6c(self.Mixed_6b(self.Mixed_6a(third)))))
        last = self.Mixed_7c(self.Mixed_7b(self.Mixed_7a(third)))
        return {64: first, 192: second, 768: third, WIDTH: last}

    def forward(self, images: Tensor) -> Tensor:
        return self.stages(images)[WIDTH].mean((2, 3))

    def logits_unbiased(self, features: Tensor) -> Tensor:
        """Return logits ``(N, 1008)`` of pool features, without the bias, as for the Inception Score."""
        return F.linear(features, self.fc.weight)
