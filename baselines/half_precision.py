"""Checkpoints of half the size: kernels stored as float16. `baselines.checkpoints.fill` makes them float32 again."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from baselines.layouts import States

_HALF = torch.finfo(torch.float16)


def stored(part: nn.Module, half: bool = False) -> dict[str, Tensor]:
    """Return the state dict of `part` as a file holds it: on the CPU, contiguous.

    half: with kernels as float16. Rounded are parameters of two or more dimensions. As they are stay the others
    (biases, scales of norms: few numbers), buffers (counts, running statistics, which reach 1e-10, and blur kernels,
    which are computed and not learned), and kernels that float16 cannot hold: with an entry beyond 65504 in size or not
    finite, or with a filter (what lies along the first dimension) whose largest entry is below 2^-14, under which
    float16 loses digits. So no entry moves by more than 2^-11 of the largest of its filter.
    """
    learned = {name for name, _ in part.named_parameters()}
    state = {key: value.detach().cpu().contiguous() for key, value in part.state_dict().items()}
    return {key: value.half() if half and key in learned and _fits(value) else value for key, value in state.items()}


def note(states: States) -> list[str]:
    """Say, in a line for the manifest, which tensors are stored in another precision than they compute in."""
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
