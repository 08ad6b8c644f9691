"""Networks asked for many frames, such that no frame's numbers depend on which others came along."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from baselines.parallel_map import parallel_map
from bench.runtime.device_errors import OomBackoff

BLOCK = 16  # frames that a network gets at once on an accelerator
log = logging.getLogger(__name__)


class Blocks:
    """Asks the networks of one detector for a fixed number of frames at once: one on a CPU, `size` on an accelerator.

    A smaller block is filled up with copies of its last frame, whose results are dropped: kernels, and with them
    rounding, depend on the size of a batch. Where memory does not suffice for a block, all that follow are half as
    large, which is logged with `label`.
    """

    def __init__(self, label: str, size: int = BLOCK) -> None:
        self._backoff = OomBackoff(label, log.warning, size=size, unit="frame")

    def __call__(self, network: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        """``network(images)`` ``(N, ...)`` as float64 on the CPU, of images ``(N, ...)``, N at least 1."""
        (found,) = self.outputs(lambda block: (network(block),), images)
        return found.double()

    def outputs(self, network: Callable[[Tensor], Sequence[Tensor]], images: Tensor) -> tuple[Tensor, ...]:
        """The results ``(N, ...)`` of a network that has several, on the CPU.

        On a CPU the images go one by one, each on one thread.
        """
        if images.device.type == "cpu":
            found = parallel_map(torch.inference_mode()(network), images.split(1))
        else:
            found = list(self.filled(network, images))
        return tuple(torch.cat(parts) for parts in zip(*found, strict=True))

    def filled(self, network: Callable[[Tensor], Sequence[Tensor]], images: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """The results block by block, on the CPU, of filled blocks: for an accelerator."""

        def ask(block: Tensor) -> tuple[Tensor, ...]:
            rest = (self._backoff.size or len(block)) - len(block)
            filled = torch.cat((block, block[-1:].expand(rest, *block.shape[1:]))) if rest else block
            with torch.inference_mode():
                return tuple(found[: len(block)].cpu() for found in network(filled))

        return self._backoff(images, ask)
