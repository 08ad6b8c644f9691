"""torch's switches for the whole process that decide how float32 is computed: set once, before any thread starts.

They are the process's, not a thread's: a block that sets and restores them (``torch.backends.cudnn.flags``) in one
thread undoes what a block in another has set. So no code here sets them but `exact`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

# Switch to its value for exact float32; the first ones change numbers, the others what a kernel is chosen by.
PRECISION: dict[str, Any] = {
    "cudnn.allow_tf32": False,  # by default on, which costs ten bits of the mantissa of every convolution
    "cuda.matmul.allow_tf32": False,
    "float32_matmul_precision": "highest",
}
CHOICE: dict[str, Any] = {"cudnn.benchmark": False, "cudnn.deterministic": True}
_ON_CPU = ("float32_matmul_precision",)
MIXED = "set in two ways"  # torch refuses to tell where its older and its newer switches disagree


def exact() -> None:
    """Full float32 everywhere in this process, and kernels that depend on neither the batch nor the time."""
    if hasattr(torch.backends, "fp32_precision"):  # torch 2.9 and later; would overrule the others
        torch.backends.fp32_precision = "none"
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    prepare_vector_functions()


def prepare_vector_functions() -> None:
    """Let torch's vector functions on a CPU get ready in one thread. To be called before several threads compute.

    exp, tanh, log, sin and their like come from Intel's MKL, which chooses its routines in the first call of any of
    them. Where two threads make that call at once after a product of matrices, one of them gets a coarser routine for
    its half: off by up to 2e-4, on an Intel Xeon with torch 2.13 in every fifth process. One call beforehand decides
    for all.
    """
    torch.exp(torch.zeros(1))


def state() -> dict[str, Any]:
    """What the switches say now, for the manifest."""
    read: dict[str, Callable[[], Any]] = {
        "cudnn.allow_tf32": lambda: torch.backends.cudnn.allow_tf32,
        "cuda.matmul.allow_tf32": lambda: torch.backends.cuda.matmul.allow_tf32,
        "float32_matmul_precision": torch.get_float32_matmul_precision,
        "cudnn.benchmark": lambda: torch.backends.cudnn.benchmark,
        "cudnn.deterministic": lambda: torch.backends.cudnn.deterministic,
    }
    return {name: _or_mixed(get) for name, get in read.items()}


def changed(device: torch.device) -> tuple[list[str], list[str]]:
    """Switches that are no longer as `exact` left them and matter on this device: of `PRECISION`, and of `CHOICE`."""
    now = state()
    on_cpu = device.type == "cpu"
    precision = [name for name, value in PRECISION.items() if now[name] != value and (not on_cpu or name in _ON_CPU)]
    return precision, [] if on_cpu else [name for name, value in CHOICE.items() if now[name] != value]


def _or_mixed(read: Callable[[], Any]) -> Any:
    try:
        return read()
    except RuntimeError:
        return MIXED
