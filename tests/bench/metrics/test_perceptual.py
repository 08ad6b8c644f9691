"""ST-LPIPS against numbers of its authors' package, and LPIPS' plumbing with a backbone of random weights."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage import data
from support.refused import refused
from torch.nn import functional as F

from bench.detectors import compat, perceptual, weights
from bench.detectors.perceptual import BACKBONES
from bench.metrics import lpips, st_lpips
from bench.runtime.errors import UserError
from bench.speed import metrics
from protocols.files import short_hash

needs_lpips = pytest.mark.skipif(importlib.util.find_spec("lpips") is None, reason="lpips is not installed")


def face() -> torch.Tensor:
    image = torch.from_numpy(data.astronaut()[:256, 100:356].copy())
    return image.permute(2, 0, 1)[None].float().div(255)


def blocks(image: torch.Tensor) -> torch.Tensor:
    return F.avg_pool2d(image, 8).repeat_interleave(8, 2).repeat_interleave(8, 3)


def test_st_lpips_equals_its_authors_package() -> None:
    """Numbers of stlpips-pytorch 0.0.2, `LPIPS(net="alex", variant="shift_tolerant")`, with `normalize=True`."""
    image = face()
    corner, middle = image[..., :97, :131], image[..., 100:197, 100:231]  # odd sizes take another way at the border
    cases = {
        0.233217359: (blocks(image), image),
        0.039696626: (image.roll(4, 3), image),
        0.346118271: (image.flip(3), image),
        0.745529532: (middle, corner),
    }
    for expected, (one, other) in cases.items():
        assert st_lpips.st_lpips(one, other).item() == pytest.approx(expected, abs=1e-6)


def test_st_lpips_fused_first_layer_equals_the_plain_one() -> None:
    state = st_lpips.loaded("cpu")
    for height, width in ((32, 32), (33, 46), (64, 35), (35, 33)):
        images = torch.rand(2, 3, height, width)
        plain = F.conv2d(images, state["net.slice1.0.weight"], state["net.slice1.0.bias"], padding=2)
        plain = F.conv2d(F.pad(plain, (2, 2, 2, 2), mode="reflect"), state["net.slice1.1.filt"], stride=2, groups=64)
        torch.testing.assert_close(st_lpips._first_layer(state, images), plain.relu(), atol=1e-5, rtol=1e-5)


def test_st_lpips_max_pool_and_blur() -> None:
    images = torch.randn(2, 3, 9, 12)
    assert torch.equal(st_lpips._max_pool(images), F.max_pool2d(images, 3, 1))
    padded = F.pad(images, (2, 2, 2, 2), mode="reflect")
    plain = F.conv2d(padded, st_lpips.loaded("cpu")["net.slice2.4.filt"][:3], stride=2, groups=3)
    torch.testing.assert_close(st_lpips._blur(images), plain, atol=1e-6, rtol=0)


def test_st_lpips_of_a_pair_depends_on_nothing_else() -> None:
    image = face()[..., :64, :64]
    pairs = torch.cat((image, image.flip(3), blocks(image))), image.expand(3, -1, -1, -1)
    together = st_lpips.st_lpips(*pairs)
    assert together.dtype == torch.float64 and together[0] == 0
    for k in range(3):
        assert torch.equal(st_lpips.st_lpips(pairs[0][k : k + 1], pairs[1][k : k + 1])[0], together[k])
    torch.testing.assert_close(st_lpips.st_lpips(pairs[1], pairs[0]), together, atol=1e-7, rtol=0)


def test_st_lpips_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(perceptual, "PACKAGE", "no_such_package")
    with refused(UserError, "missing-package"):
        st_lpips.weights_file()


def test_blocks_of_fixed_size_give_the_same_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    """What an accelerator does, done on the CPU: the last block is filled up, and the filling is thrown away."""
    from bench.metrics import base

    sizes = []

    def network(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        sizes.append(len(one))
        return (one - other).square().mean((1, 2, 3))

    pairs = torch.rand(5, 3, 8, 8), torch.rand(5, 3, 8, 8)
    alone = base.in_blocks(network, *pairs)
    monkeypatch.setattr(base, "BLOCK", 2)
    torch.testing.assert_close(base.filled_blocks(network, *pairs), alone)
    assert sizes == [1] * 5 + [2] * 3


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder with an AlexNet of random weights, as torchvision publishes it."""
    compat.repair()
    from torchvision.models import alexnet

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("weights")
    torch.save(alexnet(weights=None).state_dict(), folder / BACKBONES["alex"])
    return folder


@needs_lpips
def test_lpips_equals_the_package_called_directly(backbone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import lpips as package

    image = face()[..., :128, :128]
    monkeypatch.setenv("TORCH_HOME", str(backbone / "home"))
    (backbone / "home/hub/checkpoints").mkdir(parents=True, exist_ok=True)
    (backbone / "home/hub/checkpoints" / BACKBONES["alex"]).write_bytes((backbone / BACKBONES["alex"]).read_bytes())
    reference = package.LPIPS(net="alex", verbose=False)  # reads the file in TORCH_HOME
    with torch.no_grad():
        scaled = reference(image * 2 - 1, blocks(image) * 2 - 1).item()
        unscaled = reference(image, blocks(image)).item()
    for folder in (backbone, None):  # from the weights folder, and from torch's own
        assert lpips.lpips_alex(image, blocks(image), folder).item() == pytest.approx(scaled, abs=1e-7)
        assert lpips.lpips_alex_unscaled(image, blocks(image), folder).item() == pytest.approx(unscaled, abs=1e-7)
    assert abs(scaled - unscaled) > 1e-4


@needs_lpips
def test_lpips_of_vgg_by_winograd_is_the_same_number(tmp_path: Path) -> None:
    compat.repair()
    from torchvision.models.vgg import cfgs, make_layers

    torch.manual_seed(0)
    features = make_layers(cfgs["D"]).state_dict()  # of VGG-16, without its classifier of 124 million weights
    torch.save({f"features.{name}": value for name, value in features.items()}, tmp_path / BACKBONES["vgg"])
    image = face()[..., :128, :128]
    faster = lpips.lpips_vgg(image, blocks(image), tmp_path).item()
    layers = list(lpips._model(perceptual.VGG, tmp_path, "cpu").net.modules())
    assert sum(vars(layer).pop("forward", None) is not None for layer in layers) == 12  # from here on the plain ones
    plain = lpips.lpips_vgg(image, blocks(image), tmp_path).item()
    lpips._model.cache_clear()
    assert plain > 1e-4 and faster == pytest.approx(plain, rel=1e-5)


@needs_lpips
def test_lpips_without_or_with_a_wrong_backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "nowhere"))
    with refused(UserError, "missing-weights", "lpips-vgg: vgg16-397923af.pth "):
        lpips.lpips_vgg(face(), face(), tmp_path)
    (tmp_path / BACKBONES["alex"]).write_bytes(b"not weights")
    with refused(UserError, "not-a-checkpoint"):
        lpips.lpips_alex(face(), face(), tmp_path)
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / BACKBONES["alex"])
    with refused(UserError, "other-network"):
        lpips.lpips_alex(face(), face(), tmp_path)


def test_weight_files_are_found_by_name_and_hashed_by_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    assert weights.find_file("a.pth", tmp_path) is None
    ours, theirs = tmp_path / "sub" / "a.pth", tmp_path / "torch" / "hub" / "checkpoints" / "a.pth"
    for file, content in ((theirs, b"theirs"), (ours, b"ours")):
        file.parent.mkdir(parents=True)
        file.write_bytes(content)
    assert weights.find_file("a.pth", None) == theirs
    assert weights.find_file("a.pth", tmp_path) == ours
    before = short_hash(ours)
    ours.write_bytes(b"other")
    assert before == "ae0bec9e9d33" != short_hash(ours)


def test_the_frames_of_a_pair_must_have_one_shape() -> None:
    with pytest.raises(ValueError, match="expected two"):
        st_lpips.st_lpips(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 65))
    with pytest.raises(ValueError, match="floats"):
        st_lpips.st_lpips(*[torch.from_numpy(np.zeros((1, 3, 64, 64), np.uint8))] * 2)


def test_st_lpips_layer_by_layer_is_the_same_network() -> None:
    """The plain side of `bench speed` computes what the metric computes."""
    image = face()[..., :64, :96]
    with torch.inference_mode():
        plain = st_lpips.distance(st_lpips.loaded("cpu"), blocks(image), image, metrics.plain_features)
    assert plain.item() == pytest.approx(st_lpips.st_lpips(blocks(image), image).item(), abs=1e-6)
