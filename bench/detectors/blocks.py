"""Networks asked for many frames, such that no frame's numbers depend on which others came along."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from baselines.parallel_map import parallel_map

BLOCK = 16  # frames that a network gets at once on an accelerator


def in_blocks(network: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """``network(images)`` ``(N, ...)`` as float64 on the CPU, called with a fixed number of the images ``(N, ...)``.

    On a CPU with one, on one thread each; on an accelerator with `BLOCK`, see `filled_blocks`.
    """
    if images.device.type != "cpu":
        return filled_blocks(network, images)
    return torch.cat(parallel_map(torch.inference_mode()(network), images.split(1))).double()


def filled_blocks(network: Callable[[Tensor], Tensor], images: Tensor, size: int = BLOCK) -> Tensor:
    """`in_blocks` for an accelerator; the last block is filled up with copies of its last image."""
    found = []
    with torch.inference_mode():
        for block in images.split(size):
            rest = size - len(block)
            filled = torch.cat((block, block[-1:].expand(rest, *block.shape[1:]))) if rest else block
            found.append(network(filled)[: len(block)])
        return torch.cat(found).double().cpu()
