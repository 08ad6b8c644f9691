"""PSNR in both definitions and L1: hand-computed cases, scikit-image, and what must always hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage import data
from skimage.metrics import peak_signal_noise_ratio

from bench import metrics
from bench.metrics import l1 as l1_module
from bench.metrics import psnr as psnr_module
from bench.metrics.base import as_images
from bench.metrics.l1 import l1
from bench.metrics.psnr import CAP, psnr, psnr_uint8

PIXEL_DEFINITIONS = [d for d in metrics.definitions().values() if d.detector is None and d.family != "lpips"]


def tensor(*images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float().div(255)


def flat(level: int) -> torch.Tensor:
    return torch.full((1, 3, 12, 12), level / 255)


def test_a_constant_difference_by_hand() -> None:
    one, other = flat(100), flat(110)
    assert l1(one, other).item() == pytest.approx(10 / 255, rel=1e-6)
    assert psnr(one, other).item() == pytest.approx(20 * math.log10(25.5), abs=1e-4)
    assert psnr_uint8(one, other).item() == pytest.approx(20 * math.log10(25.5), abs=1e-9)  # 100 does not wrap


@pytest.mark.parametrize(("below", "wrapped_square"), [(20, 144), (15, 225), (17, 33), (255, 1)])
def test_uint8_arithmetic_wraps_as_numpy_does(below: int, wrapped_square: int) -> None:
    """100 - 120 is 236, its square 55696 and that modulo 256 is 144, where the true square is 400."""
    one, other = flat(0), flat(below)
    expected = 10 * math.log10(255**2 / wrapped_square)
    assert psnr_uint8(one, other).item() == pytest.approx(expected, abs=1e-9)
    assert psnr_uint8(other, one).item() == pytest.approx(expected, abs=1e-9)
    difference = np.zeros(1, np.uint8) - np.full(1, below, np.uint8)
    assert (difference**2).item() == wrapped_square


def test_equal_scikit_image_and_numpy_on_a_real_picture() -> None:
    face = data.astronaut()[:256, 100:356]
    noise = np.random.default_rng(0).integers(-30, 31, face.shape)
    other = np.clip(face.astype(int) + noise, 0, 255).astype(np.uint8)
    expected = peak_signal_noise_ratio(face / 255, other / 255, data_range=1)
    assert psnr(tensor(other), tensor(face)).item() == pytest.approx(expected, abs=1e-5)
    assert l1(tensor(other), tensor(face)).item() == pytest.approx(np.abs(face / 255 - other / 255).mean(), abs=1e-8)
    wrapped = ((face - other) ** 2).mean(dtype=np.float64)
    assert psnr_uint8(tensor(other), tensor(face)).item() == pytest.approx(10 * math.log10(255**2 / wrapped), abs=1e-9)
    assert psnr_uint8(tensor(other), tensor(face)) > psnr(tensor(other), tensor(face)) + 3


def test_identical_frames_have_the_cap_and_no_infinity() -> None:
    assert psnr(flat(7), flat(7)).item() == CAP == psnr_uint8(flat(7), flat(7)).item()
    nearly = torch.zeros(1, 3, 256, 256)
    nearly[0, 0, 0, 0] = 1 / 255
    assert psnr(nearly, torch.zeros_like(nearly)).item() == CAP  # one grey level in one value: 101 dB


def test_arrays_and_tensors_give_the_same() -> None:
    """What a processor does, and what an accelerator does."""
    one, other = torch.rand(2, 3, 32, 40, generator=torch.Generator().manual_seed(0)).mul(255).round().div(255)
    for arrays, tensors in (
        (l1_module._arrays, l1_module._tensors),
        (psnr_module._mean_square_arrays, psnr_module._mean_square_tensors),
        (psnr_module._wrapped_arrays, psnr_module._wrapped_tensors),
    ):
        assert arrays(one.numpy(), other.numpy()) == pytest.approx(tensors(one, other).item(), rel=1e-7)


frames = st.integers(0, 2**32 - 1).map(
    lambda seed: torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (3, 3, 16, 20))).float().div(255)
)


@settings(max_examples=25, deadline=None)
@given(frames, frames)
def test_what_always_holds(one: torch.Tensor, other: torch.Tensor) -> None:
    for definition in PIXEL_DEFINITIONS:
        values = definition.compute(one, other)
        assert values.shape == (3,) and values.dtype == torch.float64 and values.isfinite().all()
        torch.testing.assert_close(values, definition.compute(other, one), atol=1e-6, rtol=0)
        alone = torch.cat([definition.compute(one[k : k + 1], other[k : k + 1]) for k in (2, 0, 1)])
        assert torch.equal(values, alone[[1, 2, 0]])
        best = definition.compute(one, one)
        expected = {"ssim": 1.0, "psnr": CAP, "l1": 0.0}[definition.family]
        torch.testing.assert_close(best, torch.full_like(best, expected), atol=1e-6, rtol=0)
        assert ((best >= values) if definition.higher_is_better else (best <= values)).all()
    assert (psnr(one, other) <= -20 * torch.log10(l1(one, other)) + 1e-6).all()  # a root mean square is no less


@settings(max_examples=10, deadline=None)
@given(frames, st.floats(0.02, 0.4))
def test_more_noise_is_worse(one: torch.Tensor, strength: float) -> None:
    noise = torch.sin(torch.arange(one.numel()).view_as(one).float() * 12.9898)
    weak, strong = ((one * 0.2 + 0.4 + noise * s).clamp(0, 1) for s in (strength / 4, strength))
    for definition in PIXEL_DEFINITIONS:
        if definition.name != "psnr-uint8":  # which is not monotonic, because it wraps
            near, far = (definition.compute(image, one * 0.2 + 0.4) for image in (weak, strong))
            assert ((near > far) if definition.higher_is_better else (near < far)).all(), definition.name


def test_the_shared_computation_gives_the_same_numbers() -> None:
    one = torch.rand(2, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    values = metrics.compute_images(PIXEL_DEFINITIONS, one, one.flip(3))
    assert list(values) == [definition.name for definition in PIXEL_DEFINITIONS]
    for definition in PIXEL_DEFINITIONS:
        assert torch.equal(values[definition.name], definition.compute(one, one.flip(3)))


def test_threads_share_the_pairs_and_change_nothing() -> None:
    one = torch.rand(5, 3, 40, 40, generator=torch.Generator().manual_seed(0))
    alone, shared = (metrics.compute_images(PIXEL_DEFINITIONS, one, one.flip(3), threads=n) for n in (1, 3))
    assert alone.keys() == shared.keys() and all(torch.equal(alone[name], shared[name]) for name in alone)


def test_no_pairs_give_no_numbers() -> None:
    empty = torch.zeros(0, 3, 16, 16)
    assert all(definition.compute(empty, empty).shape == (0,) for definition in PIXEL_DEFINITIONS)


def test_frames_become_images_as_torch_makes_them() -> None:
    levels = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    images = as_images(levels, torch.device("cpu"))
    assert torch.equal(images, torch.from_numpy(levels).float().div(255).permute(0, 3, 1, 2))
    assert images.permute(0, 2, 3, 1).is_contiguous()
