"""Training in one process, or in several."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta

import torch
from torch import Tensor, nn

from baselines.arithmetic import prepare_vector_functions
from baselines.predictor import ModelError

_PATIENCE = timedelta(days=1)  # other processes wait for the first, which evaluates alone


class OneProcess:
    """Training in a single process."""

    rank, count = 0, 1

    def __init__(self, device: torch.device):
        self.device = device

    def wrap(self, module: nn.Module) -> nn.Module:
        """Return the module, wrapped for the exchange of gradients; its call starts a backward pass."""
        return module

    def backward(self, loss: Tensor) -> None:
        loss.backward()

    def without_exchange(self, module: nn.Module, active: bool) -> AbstractContextManager[None]:
        """Accumulate the gradients of this backward pass without exchanging them."""
        return nullcontext()

    def all(self, fact: bool) -> bool:
        """Return whether the fact holds in every process."""
        return fact

    def wait(self) -> None:
        """Wait until every process calls this."""


class SeveralProcesses(OneProcess):
    """Data-parallel processes of Lightning Fabric, with the same networks and different batches.

    Fabric starts the other processes with this process's command line. Batch norm is not synchronized: each process
    normalizes by its own batch, and the first one's running statistics are saved.
    """

    def __init__(self, device: torch.device, count: int):
        try:
            from lightning_fabric import Fabric
            from lightning_fabric.strategies import DDPStrategy
        except ImportError:
            raise ModelError(
                "several processes need lightning-fabric: pip install 'talking-head-bench[train]'",
                code="missing-package",
            ) from None
        # Some parameters get no gradient in some steps of some models.
        strategy = DDPStrategy(find_unused_parameters=True, timeout=_PATIENCE)
        logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
        self.fabric = Fabric(accelerator=device.type, devices=count, strategy=strategy)
        self.fabric.launch()
        self.device, self.rank, self.count = self.fabric.device, self.fabric.global_rank, self.fabric.world_size

    def wrap(self, module: nn.Module) -> nn.Module:
        return self.fabric.setup_module(module)

    def backward(self, loss: Tensor) -> None:
        self.fabric.backward(loss)

    def without_exchange(self, module: nn.Module, active: bool) -> AbstractContextManager[None]:
        return self.fabric.no_backward_sync(module, enabled=active)  # type: ignore[arg-type]  # what `wrap` gave

    def all(self, fact: bool) -> bool:
        least = self.fabric.all_reduce(torch.tensor(float(fact), device=self.device), reduce_op="min")
        assert isinstance(least, Tensor)  # like the reduced value
        return bool(least > 0)

    def wait(self) -> None:
        self.fabric.barrier()


class Losses(nn.Module):
    """A trainee's losses as a module's forward, for data-parallel wrappers."""

    def __init__(self, networks: nn.ModuleDict, losses: Callable[..., dict[str, Tensor]]):
        super().__init__()
        self.networks = networks
        self.losses = losses

    def forward(
        self, source: Tensor, driving: Tensor, rng: torch.Generator, progress: float, *poses: Tensor
    ) -> dict[str, Tensor]:
        return self.losses(source, driving, rng, progress, *poses)


def processes(device: torch.device, count: int) -> OneProcess:
    """Return the process or processes. Raises ModelError for several processes without Lightning Fabric."""
    prepare_vector_functions()
    return OneProcess(device) if count == 1 else SeveralProcesses(device, count)
