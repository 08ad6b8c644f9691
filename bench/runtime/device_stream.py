"""A separate CUDA stream for work in another thread than the network's."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


class OwnStream:
    """Runs blocks on one separate CUDA stream; no effect on other devices.

    Without it, metrics would wait for the next batch of the network, which is queued before them. The block's inputs
    must come from the host and its results must return there: then it shares no memory with other streams, and needs no
    event. (`torch.cuda.Stream` does not wait for the default stream.)
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream: torch.cuda.Stream | None = None

    def __call__(self) -> AbstractContextManager[object]:
        """Return the context of one block; all blocks share the stream and run in the order of their calls."""
        if self._device.type != "cuda":
            return nullcontext()
        if self._stream is None:
            self._stream = torch.cuda.Stream(self._device)
        return torch.cuda.stream(self._stream)
