"""Metrics on torch's "meta" device: nothing but their result is read, and no tensor is made on another device."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from support.one_device import META, OneDevice
from torch import Tensor

from bench.detectors import compat
from bench.detectors.blocks import Blocks
from bench.detectors.dlib68 import model_file
from bench.detectors.dlib_identity import FILE
from bench.detectors.dlib_resnet import FaceNetwork
from bench.metrics import compute_images, lpips, st_lpips
from bench.metrics.catalogue import DEFINITIONS

IMAGES = [name for name, one in DEFINITIONS.items() if one.detector is None and not name.startswith("lpips")]


@pytest.fixture(autouse=True)
def results_stay(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The one thing that is read at the end, `Tensor.cpu`, has nothing to read here."""
    monkeypatch.setattr(Tensor, "cpu", lambda self: self)
    st_lpips.loaded(str(META))  # weights are read before
    with OneDevice():
        yield


def frames() -> list[Tensor]:
    return [torch.empty(5, 3, 64, 64, device=META).contiguous(memory_format=torch.channels_last) for _ in range(2)]


@pytest.mark.parametrize("name", IMAGES)
def test_metrics_of_images(name: str) -> None:
    found = DEFINITIONS[name].compute(*frames())
    assert found.device == META and found.shape == (5,) and found.dtype == torch.float64


def test_metrics_together() -> None:
    found = compute_images([DEFINITIONS[name] for name in IMAGES], *frames())
    assert found.keys() == set(IMAGES) and all(value.shape == (5,) for value in found.values())


@pytest.mark.parametrize("net", ["alex", "vgg"])
def test_lpips(net: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the package's network, whatever its weights."""
    compat.repair()
    package = pytest.importorskip("lpips")
    model = package.LPIPS(net=net, pnet_rand=True, verbose=False).to(META)
    monkeypatch.setattr(lpips, "_model", lambda *_: model)
    compute = {"alex": lpips.lpips_alex, "vgg": lpips.lpips_vgg}[net]
    assert compute(*frames()).shape == (5,)


def test_identity() -> None:
    network = FaceNetwork(model_file(FILE)).to(META)
    assert Blocks("dlib")(network, torch.empty(19, 3, 150, 150, device=META)).shape == (19, 128)
