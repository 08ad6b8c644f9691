"""A queue of its own on a GPU for work that another thread does beside the network's."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


class OwnStream:
    """Queues what a block asks of a GPU on one stream, and nothing on another device.

    Without it metrics wait for all that the network of the next batch has queued before them. What the block works on
    must come from the host and end there: then no other stream's work is read or overwritten, and no event is needed.
    (`torch.cuda.Stream` does not wait for the default stream.)
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream: torch.cuda.Stream | None = None

    def __call__(self) -> AbstractContextManager[object]:
        """Return the context of one block; all blocks share the stream, and so run in the order of their calls."""
        if self._device.type != "cuda":
            return nullcontext()
        if self._stream is None:
            self._stream = torch.cuda.Stream(self._device)
        return torch.cuda.stream(self._stream)
