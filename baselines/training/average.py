"""Exponential moving average of the weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Average:
    """A moving average beside the parameters of `networks`.

    decay: the final value; after n steps it is at most (1 + n) / (10 + n), so that the first weights lose influence.
    """

    def __init__(self, networks: nn.Module, decay: float):
        self.parameters = list(networks.parameters())
        self.tensors = [parameter.detach().clone() for parameter in self.parameters]
        self.decay = decay

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Update the average with the parameters after `step` steps."""
        rule = get_ema_multi_avg_fn(min(self.decay, (1 + step) / (10 + step)))
        rule(self.tensors, self.parameters, step)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Give the networks the averaged weights in this context."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def load(self, tensors: Sequence[Tensor]) -> None:
        for own, given in zip(self.tensors, tensors, strict=True):
            own.copy_(given)

    @torch.no_grad()
    def _swap(self) -> None:
        for parameter, tensor in zip(self.parameters, self.tensors):
            kept = parameter.clone()
            parameter.copy_(tensor)
            tensor.copy_(kept)
