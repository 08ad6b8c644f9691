"""Deterministic weights and inputs, computed from names and shapes only.

Two implementations with the same state-dict keys and shapes get the same weights without sharing a checkpoint, so their
outputs can be compared number for number. Only NumPy's PCG64 ``random()`` stream is used, stable across releases.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor


def fill(name: str, shape: Sequence[int], seed: int = 0) -> np.ndarray:
    """Return the value of the state-dict entry `name`: float32, or int64 for batch counters."""
    shape = tuple(shape)
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "num_batches_tracked":
        return np.zeros(shape, dtype=np.int64)
    u = uniform(name, shape, seed)
    if leaf == "running_mean":
        out = 0.1 * u
    elif leaf == "running_var":
        out = 1.0 + 0.5 * u
    elif "jacobian" in name and leaf == "weight":
        out = 0.01 * u
    elif "jacobian" in name and leaf == "bias":
        out = np.resize([1.0, 0.0, 0.0, 1.0], shape) + 0.05 * u
    elif len(shape) <= 1:
        # A vector named `weight` is the gain of a norm; every other vector is treated as a bias.
        out = 1.0 + 0.2 * u if leaf == "weight" else 0.1 * u
    else:
        out = u * math.sqrt(3.0) * math.sqrt(1.5 / math.prod(shape[1:]))
    return out.astype(np.float32)


def fill_spec(spec: Mapping[str, Any]) -> dict[str, dict[str, Tensor]]:
    """Return the state dict of every network in ``spec["networks"]`` ({network: {key: shape}}).

    Each of ``spec["overrides"]`` computes ``value * scale + offset`` where its pattern matches ``network.key``.
    """
    filled: dict[str, dict[str, Tensor]] = {}
    for network, shapes in spec["networks"].items():
        filled[network] = {}
        for key, shape in shapes.items():
            name = f"{network}.{key}"
            value = fill(name, shape, spec["seed"])
            for override in spec.get("overrides", ()):
                if re.search(override["pattern"], name):
                    value = (value * override["scale"] + np.asarray(override["offset"])).astype(np.float32)
            filled[network][key] = torch.from_numpy(np.array(np.broadcast_to(value, shape)))
    return filled


@lru_cache(4)
def image_pair(seed: int = 0, size: int = 256) -> tuple[Tensor, Tensor]:
    """Return a smooth source and driving image, ``(1, 3, size, size)`` float32 in [0, 1]: a scene of moving waves."""
    yy, xx = np.meshgrid(np.linspace(0, 1, size), np.linspace(0, 1, size), indexing="ij")
    u = (uniform("image_pair", (3, 12, 4), seed) + 1.0) / 2.0
    pair = []
    for shift in (0.0, 0.35):
        channels = []
        for c in range(3):
            plane = np.zeros((size, size))
            for fx, fy, phase, amplitude in u[c]:
                angle = (1 + 7 * fx) * xx + (1 + 7 * fy) * yy + phase + shift * fx
                plane += (0.2 + amplitude) * np.sin(2 * np.pi * angle)
            plane -= plane.min()
            channels.append(plane / plane.max())
        pair.append(torch.from_numpy(np.stack(channels).astype(np.float32))[None])
    return pair[0], pair[1]


def uniform(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Return uniform float64 values in (-1, 1), determined by seed and name."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    rng = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], "big")))
    return rng.random(shape) * 2.0 - 1.0


def make_voice(seed: int) -> np.ndarray:
    """Return three modulated tones of 1.6 s, int16 at 16 kHz."""
    t = np.arange(25600) / 16000
    angle = 2 * np.pi * t
    x = 0.35 * np.sin((220 + 10 * seed) * angle + 0.5 * np.sin(3 * angle))
    x += 0.25 * np.sin((870 + 30 * seed) * angle) * (0.5 + 0.5 * np.sin(4 * angle))
    x += 0.15 * np.sin((2600 + 50 * seed) * angle + 1) * (0.5 + 0.5 * np.cos(7 * angle))
    return np.floor(12000 * x + 0.5).astype(np.int16)
