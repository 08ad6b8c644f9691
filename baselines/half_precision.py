"""Checkpoints of half the size: kernels stored as float16. `baselines.checkpoints.fill` converts them to float32."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.layouts import States

_HALF = torch.finfo(torch.float16)


def stored(part: nn.Module, half: bool = False) -> dict[str, Tensor]:
    """Return the state dict of `part` as it is written to a file: on the CPU, contiguous.

    half: round kernels, which are parameters of two or more dimensions, to float16. These stay as they are: other
    parameters (biases, scales of norms: few numbers), buffers (counts; running statistics, which reach 1e-10; blur
    kernels, which are not learned), and kernels outside the range of float16. Those have an entry above 65504 in size
    or not finite, or a filter (one entry of the first dimension) with its largest entry below 2^-14, where float16
    loses digits. So no entry changes by more than 2^-11 of the largest of its filter.
    """
    learned = {name for name, _ in part.named_parameters()}
    state = {key: value.detach().cpu().contiguous() for key, value in part.state_dict().items()}
    return {key: value.half() if half and key in learned and _fits(value) else value for key, value in state.items()}


def note(states: States) -> list[str]:
    """Return a line for the manifest on tensors that are stored in another precision than float32; else nothing."""
    numbers = [value for state in states.values() for value in state.values() if value.is_floating_point()]
    others = [str(value.dtype).removeprefix("torch.") for value in numbers if value.dtype != torch.float32]
    if not others:
        return []
    return [f"{len(others)} of {len(numbers)} tensors stored as {' and '.join(sorted(set(others)))}, used as float32"]


def _fits(value: Tensor) -> bool:
    if value.dtype != torch.float32 or value.ndim < 2 or not value.numel():
        return False
    largest = value.abs().flatten(1).amax(1)  # NaN where a filter has one
    return bool((largest <= _HALF.max).all() and ((largest >= _HALF.smallest_normal) | (largest == 0)).all())
