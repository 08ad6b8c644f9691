"""torch's process-wide switches for float32 arithmetic: set once, before any thread starts.

They belong to the process, not to a thread: code that sets and restores them in one thread
(``torch.backends.cudnn.flags``) undoes the settings of another. So only `exact` sets them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

# Switches with their values for exact float32. The first change numbers; the others change how kernels are chosen.
PRECISION: dict[str, Any] = {
    "cudnn.allow_tf32": False,  # on by default; costs ten bits of the mantissa in every convolution
    "cuda.matmul.allow_tf32": False,
    "float32_matmul_precision": "highest",
}
CHOICE: dict[str, Any] = {"cudnn.benchmark": False, "cudnn.deterministic": True}
_ON_CPU = ("float32_matmul_precision",)
MIXED = "set in two ways"  # torch raises an error when its older and newer switches disagree


def exact() -> None:
    """Switch this process to full float32, and to kernels that depend neither on the batch nor on timing."""
    if hasattr(torch.backends, "fp32_precision"):  # torch 2.9 and later; overrules the others
        torch.backends.fp32_precision = "none"
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    prepare_vector_functions()


def prepare_vector_functions() -> None:
    """Initialize torch's vector functions on a CPU in one thread. Call it before several threads compute.

    exp, tanh, log, sin and similar functions come from Intel's MKL, which chooses its routines at the first call of any
    of them. If two threads make that call at once after a matrix product, one of them gets a coarser routine for its
    half: wrong by up to 2e-4, in every fifth process on an Intel Xeon with torch 2.13. One early call prevents that.
    """
    torch.exp(torch.zeros(1))


def state() -> dict[str, Any]:
    """Return the current values of the switches, for the manifest."""
    read: dict[str, Callable[[], Any]] = {
        "cudnn.allow_tf32": lambda: torch.backends.cudnn.allow_tf32,
        "cuda.matmul.allow_tf32": lambda: torch.backends.cuda.matmul.allow_tf32,
        "float32_matmul_precision": torch.get_float32_matmul_precision,
        "cudnn.benchmark": lambda: torch.backends.cudnn.benchmark,
        "cudnn.deterministic": lambda: torch.backends.cudnn.deterministic,
    }
    return {name: _or_mixed(get) for name, get in read.items()}


def changed(device: torch.device) -> tuple[list[str], list[str]]:
    """Return the switches of `PRECISION`, and of `CHOICE`, that matter on `device` and changed since `exact`."""
    now = state()
    on_cpu = device.type == "cpu"
    precision = [name for name, value in PRECISION.items() if now[name] != value and (not on_cpu or name in _ON_CPU)]
    return precision, [] if on_cpu else [name for name, value in CHOICE.items() if now[name] != value]


def _or_mixed(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except RuntimeError:
        return MIXED
