"""SSIM against scikit-image and torchmetrics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import data
from skimage.metrics import structural_similarity

from bench.detectors import compat
from bench.metrics import ssim

DEFINITIONS = {
    ssim.ssim: {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 1},
    ssim.ssim_skimage: {"data_range": 1},
    ssim.ssim_published: {"data_range": 2},
}


def noisy(level: int) -> tuple[np.ndarray, np.ndarray]:
    """A face and the same with noise, uint8 ``(256, 256, 3)``."""
    face = data.astronaut()[:256, 100:356]
    noise = np.random.default_rng(level).integers(-level, level + 1, face.shape)
    return face, np.clip(face.astype(int) + noise, 0, 255).astype(np.uint8)


def tensor(*images: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float().div(255)


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda function: function.__name__)
@pytest.mark.parametrize("level", [0, 2, 20, 120])
def test_equals_scikit_image(definition, level: int) -> None:
    one, other = noisy(level)
    expected = structural_similarity(one / 255, other / 255, channel_axis=2, **DEFINITIONS[definition])
    assert definition(tensor(one), tensor(other)).item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda function: function.__name__)
def test_flat_bright_and_odd_sized_images(definition) -> None:
    """Where differences of moments lose the most digits; and a height and width that are no powers of two."""
    one = np.full((61, 83, 3), 250, dtype=np.uint8)
    other = one.copy()
    other[::2, ::3] = 255
    expected = structural_similarity(one / 255, other / 255, channel_axis=2, **DEFINITIONS[definition])
    assert definition(tensor(one), tensor(other)).item() == pytest.approx(expected, abs=2e-6)


def test_the_published_definition_is_what_scikit_image_did_with_floats() -> None:
    """Without a range it takes that of the type, -1 to 1 for floats; today it insists on being told."""
    one, other = noisy(20)
    assert ssim.ssim_published(tensor(one), tensor(other)) > ssim.ssim_skimage(tensor(one), tensor(other)) + 0.02


def test_known_value_of_constant_images() -> None:
    """Two flat images: the structure term is 1 and the luminance term is (2ab + c) / (a^2 + b^2 + c)."""
    one, other = torch.full((1, 3, 16, 16), 0.25), torch.full((1, 3, 16, 16), 0.75)
    expected = (2 * 0.25 * 0.75 + 1e-4) / (0.25**2 + 0.75**2 + 1e-4)
    assert ssim.ssim(one, other).item() == pytest.approx(expected, abs=1e-6)
    assert ssim.ssim_published(one, other).item() == pytest.approx(
        (2 * 0.25 * 0.75 + 4e-4) / (0.25**2 + 0.75**2 + 4e-4), abs=1e-6
    )


FORMS = [("box", 1.0), ("gauss", 1.0), ("box", 2.0)]


@pytest.mark.parametrize("level", [0, 2, 20, 120])
def test_arrays_and_tensors_give_the_same(level: int) -> None:
    """What a processor does, and what an accelerator does; and the same where frames are flat and bright."""
    flat = np.full((61, 83, 3), 255 - level, np.uint8)
    for one, other in (noisy(level), (flat, np.full_like(flat, 255))):
        arrays = ssim.ssim_forms(tensor(one), tensor(other), FORMS)
        tensors = torch.stack(ssim.tensor_means(tensor(one), tensor(other), FORMS)[0])
        torch.testing.assert_close(tensors, arrays[:, 0], atol=2e-6, rtol=0)


def test_tensors_stay_on_their_device() -> None:
    """On torch's ``meta`` device, a tensor made on another one would be an error."""
    images = torch.empty(2, 3, 40, 52, device="meta")
    means = ssim.tensor_means(images, images, FORMS)
    assert [[mean.device.type for mean in pair] for pair in means] == [["meta"] * 3] * 2


def test_forms_together_give_the_bits_that_each_gives_alone() -> None:
    one, other = (tensor(image) for image in noisy(20))
    together = ssim.ssim_forms(one, other, FORMS)
    assert torch.equal(together, torch.cat([ssim.ssim_forms(one, other, [form]) for form in FORMS]))


def test_equals_torchmetrics_without_its_mirrored_border() -> None:
    compat.repair()  # it imports torchvision where there is one
    pytest.importorskip("torchmetrics")
    from torchmetrics.functional.image import structural_similarity_index_measure

    one, other = (tensor(image) for image in noisy(20))
    _, local = structural_similarity_index_measure(
        other.double(), one.double(), data_range=1.0, sigma=1.5, return_full_image=True
    )
    assert ssim.ssim(other, one).item() == pytest.approx(local[..., 5:-5, 5:-5].mean().item(), abs=1e-6)


def test_equal_images_are_exactly_one_whatever_their_values() -> None:
    image = tensor(noisy(20)[1])
    assert (ssim.ssim_forms(image, image.clone(), FORMS) == 1).all()


def test_too_small_or_different_frames_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 11"):
        ssim.ssim(torch.zeros(1, 3, 10, 10), torch.zeros(1, 3, 10, 10))
    with pytest.raises(ValueError, match="expected two"):
        ssim.ssim(torch.zeros(1, 3, 16, 16), torch.zeros(1, 3, 16, 17))
