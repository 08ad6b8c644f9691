"""Run networks on many frames so that a frame's result does not depend on the others."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from baselines.parallel_map import parallel_map
from bench.runtime.device_errors import OomBackoff

BLOCK = 16  # batch size on an accelerator
log = logging.getLogger(__name__)


class Blocks:
    """Runs the networks of one detector on blocks of fixed size: one frame on a CPU, `size` on an accelerator.

    A smaller block is padded with copies of its last frame, whose results are dropped, because kernels and rounding
    depend on the batch size. On out of memory, later blocks have half the size, which is logged with `label`.
    """

    def __init__(self, label: str, size: int = BLOCK) -> None:
        self._backoff = OomBackoff(label, log.warning, size=size, unit="frame")

    def __call__(self, network: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        """Return ``network(images)`` ``(N, ...)`` as float64 on the CPU, for images ``(N, ...)``, N at least 1."""
        (found,) = self.outputs(lambda block: (network(block),), images)
        return found.double()

    def outputs(self, network: Callable[[Tensor], Sequence[Tensor]], images: Tensor) -> tuple[Tensor, ...]:
        """Return the results ``(N, ...)`` of a network with several, on the CPU.

        On a CPU the images are processed one by one, each on one thread.
        """
        if images.device.type == "cpu":
            found = parallel_map(torch.inference_mode()(network), images.split(1))
        else:
            found = list(self.filled(network, images))
        return tuple(torch.cat(parts) for parts in zip(*found, strict=True))

    def filled(self, network: Callable[[Tensor], Sequence[Tensor]], images: Tensor) -> Iterator[tuple[Tensor, ...]]:
        """Yield the results of padded blocks, moved to the CPU; for an accelerator."""

        def ask(block: Tensor) -> tuple[Tensor, ...]:
            rest = (self._backoff.size or len(block)) - len(block)
            filled = torch.cat((block, block[-1:].expand(rest, *block.shape[1:]))) if rest else block
            with torch.inference_mode():
                return tuple(found[: len(block)].cpu() for found in network(filled))

        return self._backoff(images, ask)
