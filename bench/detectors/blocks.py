"""Networks asked for many frames, such that no frame's numbers depend on which others came along."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

BLOCK = 16  # frames that a network gets at once on an accelerator


def in_blocks(network: Callable[[Tensor], Tensor], images: Tensor, size: int | None = None) -> Tensor:
    """``network(images)`` ``(N, ...)`` as float64 on the CPU, called with a fixed number of the images ``(N, ...)``.

    size: that number; by default one on a CPU, `BLOCK` on an accelerator. The last block is filled up with copies of
    its last image.
    """
    size = size or (1 if images.device.type == "cpu" else BLOCK)
    found = []
    with torch.inference_mode():
        for block in images.split(size):
            rest = size - len(block)
            filled = torch.cat((block, block[-1:].expand(rest, *block.shape[1:]))) if rest else block
            found.append(network(filled)[: len(block)])
        return torch.cat(found).double().cpu()
