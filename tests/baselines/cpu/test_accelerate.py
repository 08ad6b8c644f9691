"""Every faster form of a layer and of a network gives the plain one's numbers up to rounding."""

from __future__ import annotations

import copy

import pytest
import torch
from support.noise_pairs import CPU, batch
from torch import nn

from baselines import registry
from baselines.blocks.conv import DownBlock, ResBlock, SameBlock, UpBlock, instance_norm
from baselines.blocks.resnet import ResNet18
from baselines.card import MODELS, card
from baselines.cpu import accelerate, layers
from baselines.fv2v.estimators import Bottleneck
from baselines.fv2v.volume import Hourglass3d, ResBlock3d

BLOCKS = {
    "same": (lambda: SameBlock(48, 64, 7), (48, 33, 26)),
    "down": (lambda: DownBlock(48, 64), (48, 32, 26)),
    "down, instance norm": (lambda: DownBlock(48, 64, norm=instance_norm), (48, 32, 26)),
    "up": (lambda: UpBlock(48, 20), (48, 13, 10)),
    "up, instance norm": (lambda: UpBlock(48, 20, norm=instance_norm), (48, 13, 10)),
    "up, small": (lambda: UpBlock(8, 6), (8, 4, 9)),
    "residual": (lambda: ResBlock(64), (64, 24, 30)),
    "sequence": (lambda: nn.Sequential(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU()), (3, 9, 10)),
    "reflected": (lambda: nn.Conv2d(48, 48, 3, padding=1, padding_mode="reflect"), (48, 30, 30)),
    "groups": (lambda: nn.Conv2d(96, 96, 3, padding=1, groups=2), (96, 30, 30)),
    "bottleneck": (lambda: Bottleneck(64, 2), (64, 12, 10)),
    "resnet": (lambda: ResNet18(7, width=16), (3, 64, 48)),
    "volume": (lambda: ResBlock3d(6), (6, 4, 20, 18)),
    "small volume": (lambda: ResBlock3d(6), (6, 4, 8, 8)),
    "strided volume": (lambda: nn.Conv3d(5, 7, 3, 2, padding=1), (5, 8, 20, 20)),
    "hourglass of volumes": (lambda: Hourglass3d(4, 3, 2, 16), (3, 4, 24, 24)),
}


def settled(block: nn.Module) -> nn.Module:
    """In evaluation mode, with norms that do something."""
    for norm in (module for module in block.modules() if hasattr(module, "running_var")):
        for value in (norm.weight, norm.running_var):
            nn.init.uniform_(value, 0.5, 2) if value is not None else None
        nn.init.normal_(norm.running_mean) if norm.running_mean is not None else None
    return block.eval().requires_grad_(False)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_block_is_the_plain_one(name: str) -> None:
    torch.manual_seed(0)
    make, shape = BLOCKS[name]
    plain = settled(make())
    fast, x = copy.deepcopy(plain), torch.randn(2, *shape)
    accelerate(fast)
    norms = [module for module in fast.modules() if hasattr(module, "running_var") and module.running_var is not None]
    assert all(torch.equal(a, b) for a, b in zip(plain.state_dict().values(), fast.state_dict().values()))
    # A pre-activation residual block has its first norm before any convolution.
    alone = [norm for norm in norms if "forward" not in vars(norm)]
    assert len(alone) == sum(isinstance(module, ResBlock | ResBlock3d) for module in fast.modules())
    for asked in (x[:1], x, x[:1].contiguous(memory_format=torch.channels_last) if x.dim() == 4 else x[:1]):
        expected, kept = plain(asked), asked.clone()
        torch.testing.assert_close(fast(asked), expected, atol=4e-5 * float(expected.abs().max()), rtol=0)
        assert torch.equal(asked, kept)


@pytest.mark.skipif(not layers.nnpack_holds(), reason="torch has no NNPACK here")
def test_wide_convolutions_take_nnpack_and_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, convolve = [], torch._nnpack_spatial_convolution
    monkeypatch.setattr(
        torch, "_nnpack_spatial_convolution", lambda x, *more: asked.append(x.shape[1]) or convolve(x, *more)
    )
    network = nn.ModuleDict({"a": nn.Conv2d(64, 64, 3, padding=1), "b": nn.Conv2d(32, 64, 3, padding=1)})
    network["c"], network["d"] = nn.Conv2d(65, 64, 3, 2, padding=1), nn.Conv2d(66, 64, 3, padding=1)
    accelerate(network.requires_grad_(False).eval(), exact=("d",))
    for conv in network.values():
        conv(torch.randn(1, conv.in_channels, 24, 24))
        conv(torch.randn(1, conv.in_channels, 23, 24))
        conv(torch.randn(2, conv.in_channels, 24, 24))
        with torch.autocast("cpu", torch.bfloat16):
            conv(torch.randn(1, conv.in_channels, 24, 24))
    assert asked == [64]


@pytest.mark.parametrize("fault", ["missing", "unavailable", "raises", "wrong"])
def test_nnpack_is_left_alone_where_it_does_not_hold(fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(x: torch.Tensor, weight: torch.Tensor, *_: object) -> torch.Tensor:
        if fault == "raises":
            raise RuntimeError("NNPACK SpatialConvolution_updateOutput failed")
        return nn.functional.conv2d(x, weight, padding=1)  # without the bias

    monkeypatch.setattr(torch, "_nnpack_available", lambda: fault != "unavailable")
    monkeypatch.setattr(torch, "_nnpack_spatial_convolution", broken)
    if fault == "missing":
        monkeypatch.delattr(torch, "_nnpack_spatial_convolution")
    assert not layers.nnpack_holds.__wrapped__()


def test_exact_modules_keep_their_plain_form() -> None:
    network = nn.ModuleDict({"a": nn.Sequential(SameBlock(8, 8), UpBlock(8, 8)), "b": SameBlock(8, 8)}).eval()
    accelerate(network, exact=("a",))
    assert not any("forward" in vars(module) for module in network["a"].modules())
    assert "forward" in vars(network["b"].conv)
    accelerate(whole := nn.Sequential(nn.Conv2d(3, 3, 3)), exact=("",))
    assert not any("forward" in vars(module) for module in whole.modules())


FRAME_DRIVEN = [
    name for name in MODELS if card(name).driven_by == "frames" and not name.startswith(("mcnet-", "ostnet-"))
]


@pytest.mark.slow
@pytest.mark.parametrize("name", FRAME_DRIVEN)
def test_as_the_plain_network(name: str) -> None:
    """With full-size random networks: every system, in the motion mode that asks most of it."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # two add up in another order, of which noise in random networks with SPADE makes 4e-4
    try:
        plain = registry.load(f"{name}?weights=untrained&plain=true", weights=None, device=CPU)
        fast = registry.load(f"{name}?weights=untrained", weights=None, device=CPU)
        asked, mode = batch(fast.frame_size, 1), fast.motion_modes[-1]
        torch.testing.assert_close(fast.predict(asked, mode), plain.predict(asked, mode), atol=1e-4, rtol=0)
    finally:
        torch.set_num_threads(threads)
    assert plain.describe()["conventions"]["plain"] and "plain" not in fast.describe()["conventions"]
