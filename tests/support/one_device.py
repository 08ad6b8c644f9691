"""Stands in for a GPU: refuses what mixes tensors of several devices, of which torch's "meta" device lets some pass."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

META = torch.device("meta")


class OneDevice(TorchDispatchMode):
    """Raises AssertionError for an operation on tensors of several devices; numbers (0-d, on the CPU) may take part."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, torch.Tensor)]
        devices = {tensor.device for tensor in given if tensor.dim() or tensor.device.type != "cpu"}
        assert len(devices) <= 1, f"{func} of tensors on {devices}"
        return func(*args, **(kwargs or {}))
