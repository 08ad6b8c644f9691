"""Tools for parity adapters, ``baselines/<model>/parity.py``, which recompute the arrays of a golden folder.

An adapter has two functions. ``build(spec) -> nn.Module`` returns a network whose state dict has the keys
``network.key`` of ``spec["networks"]``. ``compute(net, case, record) -> None`` calls ``record(name, tensor)`` for every
array in the order of computation, in each motion mode with ``case.has(mode)``; it may record other names, too.
Networks are typed ``Any`` there, because adapters use the checkpoint's names for submodules, which types do not have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor, nn

from baselines.synthetic_weights import image_pair

Record = Callable[[str, Tensor], None]


@dataclass(frozen=True)
class Case:
    """One golden folder: its ``spec.json`` and the arrays of its ``golden.npz`` (some are inputs: MCNet's noise)."""

    spec: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]

    def has(self, mode: str) -> bool:
        """Return whether the folder has arrays of this motion mode."""
        return any(name.startswith(f"{mode}.") for name in self.arrays)

    def wants(self, name: str) -> bool:
        """Return whether the folder has the array, whole or sampled; check it before a costly computation."""
        return any(name + part in self.arrays for part in ("", ".index", ".stats"))

    def images(self) -> tuple[Tensor, Tensor, Tensor]:
        """Return source, driving and initial driving frame, each ``(1, 3, 256, 256)`` in [0, 1]."""
        if "meta.seeds" in self.arrays:
            _, pair, initial = (int(seed) for seed in self.arrays["meta.seeds"])
        else:
            pair = self.spec.get("pair_seed", self.spec["seed"])
            initial = pair + 1
        source, driving = image_pair(pair)
        return source, driving, image_pair(initial)[0]


class Hooks:
    """Record inputs and outputs of modules in the order of computation."""

    def __init__(self, record: Record):
        self._record = record
        self._handles: list[Any] = []

    def output(self, module: nn.Module, name: str, read: Callable[[Any], Tensor] = lambda output: output) -> None:
        """Record the module's output, or `read` of it."""
        self.after(module, lambda inputs, output: self._record(name, read(output)))

    def input(self, module: nn.Module, name: str, read: Callable[[Any], Tensor] = lambda x: x) -> None:
        """Record the module's first input, or `read` of it."""
        self.before(module, lambda inputs: self._record(name, read(inputs[0])))

    def after(self, module: nn.Module, act: Callable[[tuple, Any], None]) -> None:
        """Call ``act(inputs, output)`` after each forward pass of the module."""
        self._handles.append(module.register_forward_hook(lambda _, inputs, output: act(inputs, output)))

    def before(self, module: nn.Module, act: Callable[[tuple], None]) -> None:
        """Call ``act(inputs)`` before each forward pass of the module."""
        self._handles.append(module.register_forward_pre_hook(lambda _, inputs: act(inputs)))

    def features(self, net: nn.Module, prefix: str) -> None:
        """Record the output of the module at the path `prefix`, and of all modules in it, as ``feature.<path>``."""
        for path, module in net.get_submodule(prefix).named_modules(prefix=prefix):
            self.after(module, partial(self._feature, path))

    def _feature(self, path: str, inputs: tuple, output: Any) -> None:
        if isinstance(output, Tensor):
            self._record(f"feature.{path}", output)

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()


@contextmanager
def hooks(record: Record) -> Iterator[Hooks]:
    """Yield `Hooks` that are removed at the end."""
    installed = Hooks(record)
    try:
        yield installed
    finally:
        installed.remove()
