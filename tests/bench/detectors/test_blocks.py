"""Networks of detectors asked block by block, with torch's "meta" device in the place of a GPU."""

from __future__ import annotations

import pickle

import pytest
import torch
from support.one_device import META
from torch import Tensor

from bench.detectors.blocks import Blocks
from bench.runtime.errors import Stopped


def numbered(count: int) -> Tensor:
    return torch.arange(float(count))[:, None, None, None].expand(count, 3, 2, 2)


class Sums:
    """A network that notes how many images it gets, and has memory for so many."""

    def __init__(self, most: int = 16) -> None:
        self.most, self.seen = most, []

    def __call__(self, images: Tensor) -> Tensor:
        self.seen.append(len(images))
        if len(images) > self.most:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return images.flatten(1).sum(1)


def asked(blocks: Blocks, network: Sums, images: Tensor) -> list[float]:
    """As on an accelerator, of images whose numbers can be read."""
    found = blocks.filled(lambda block: (network(block),), images)
    return torch.cat([one for (one,) in found]).tolist()


def test_blocks_are_filled_and_cut() -> None:
    network = Sums()
    assert asked(Blocks("it"), network, numbered(35)) == [12.0 * k for k in range(35)]
    assert network.seen == [16, 16, 16]


def test_on_a_cpu_one_by_one() -> None:
    network = Sums()
    found = Blocks("it")(network, numbered(5))
    assert found.tolist() == [12.0 * k for k in range(5)] and network.seen == [1] * 5 and found.dtype == torch.float64


def test_several_results_of_a_network_on_an_accelerator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tensor, "cpu", lambda self: self)
    seen = []

    def network(images: Tensor) -> list[Tensor]:
        seen.append(images.shape)
        return [images.flatten(1), images[:, :1]]

    first, second = Blocks("it").outputs(network, torch.empty(19, 3, 4, 5, device=META))
    assert first.shape == (19, 60) and second.shape == (19, 1, 4, 5) and first.device == META
    assert seen == [(16, 3, 4, 5)] * 2


def test_a_block_that_does_not_fit_is_halved_for_good(caplog: pytest.LogCaptureFixture) -> None:
    network, blocks = Sums(most=5), Blocks("it")
    assert asked(blocks, network, numbered(7)) == [12.0 * k for k in range(7)]
    assert network.seen == [16, 8, 4, 4]
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    network.seen.clear()
    assert asked(blocks, network, numbered(1)) == [0.0] and network.seen == [4]


def test_where_not_even_one_image_fits_the_run_stops() -> None:
    with pytest.raises(Stopped) as raised:
        asked(Blocks("it"), Sums(most=0), numbered(3))
    assert raised.value.code == "out-of-memory"


def test_they_travel_to_workers() -> None:
    network = Sums()
    assert asked(pickle.loads(pickle.dumps(Blocks("it", 4))), network, numbered(3)) == [0.0, 12.0, 24.0]
    assert network.seen == [4]
