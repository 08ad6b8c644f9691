"""Batch norm in training: frozen near the end, and recalibrated statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from torch import nn


def set_norm_training(networks: nn.Module, training: bool) -> None:
    """Set training mode everywhere, except in batch norms with running statistics if `training` is false."""
    networks.train()
    for module in norms(networks):
        module.train(training)


def norms(networks: nn.Module) -> list[nn.modules.batchnorm._BatchNorm]:
    """Return all batch norms."""
    return [module for module in networks.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)]


def recalibrate(networks: nn.Module, forward: Callable[[], object], batches: int) -> None:
    """Replace the running statistics of batch norm by the plain mean over `batches` calls of `forward`."""
    set_norm_training(networks, True)
    for norm in norms(networks):
        norm.reset_running_stats()
        norm.momentum = None  # cumulative mean
    for _ in range(batches):
        forward()
    for norm in norms(networks):
        norm.momentum = 0.1


@contextmanager
def kept(networks: nn.Module) -> Iterator[None]:
    """Restore batch norm's running statistics at the end."""
    before = [(norm, {name: value.clone() for name, value in norm.named_buffers()}) for norm in norms(networks)]
    try:
        yield
    finally:
        for norm, buffers in before:
            for name, value in buffers.items():
                norm.get_buffer(name).copy_(value)
