"""What makes the networks faster on a CPU changes no number by more than rounding, and no bit by what came before."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from baselines import registry
from baselines.blocks.conv import DownBlock, ResBlock, SameBlock, UpBlock, batch_norm, instance_norm
from baselines.card import MODELS
from baselines.cpu.channels_last import keep_channels_last
from baselines.cpu.faster import (
    convolve_by_blocks,
    convolve_by_tiles,
    convolve_volumes,
    merge_doublings,
    mix_before_enlarging,
)
from baselines.cpu.memoize import Remembered
from baselines.cpu.parallel_map import side_by_side
from baselines.cpu.unfolded import unfold_small
from baselines.cpu.winograd import convolve, transformed
from baselines.predictor import PairBatch

CPU = torch.device("cpu")


def batch(size: int, count: int, seed: int = 0) -> PairBatch:
    """Pairs of two sources and `count` driving frames."""
    noise = torch.Generator().manual_seed(seed)
    sources, driving = torch.rand(2, 3, size, size, generator=noise), torch.rand(count, 3, size, size, generator=noise)
    source = sources[torch.arange(count) % 2]
    return PairBatch(tuple(map(str, range(count))), source, driving, None, driving.flip(3), seeds=tuple(range(count)))


@pytest.fixture
def one_thread():
    """Two threads add up in another order, which noise in random networks with SPADE makes 4e-4 of."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in MODELS if not name.startswith(("mcnet-", "ostnet-"))])
def test_as_the_plain_network(name: str, one_thread: None) -> None:
    """With full-size random networks: every system, its first and its last motion mode."""
    plain = registry.load(f"{name}?weights=untrained&plain=true", weights=None, device=CPU)
    fast = registry.load(f"{name}?weights=untrained", weights=None, device=CPU)
    asked = batch(fast.frame_size, 1)
    for mode in dict.fromkeys((fast.motion_modes[0], fast.motion_modes[-1])):
        expected = plain.predict(asked, mode)
        torch.testing.assert_close(fast.predict(asked, mode), expected, atol=1e-4, rtol=0)
    assert plain.describe()["conventions"]["plain"] and "plain" not in fast.describe()["conventions"]


def test_what_was_remembered_has_the_bits_that_computing_gives() -> None:
    warm, cold = (registry.load("fomm", weights=None, device=CPU) for _ in range(2))
    asked = batch(warm.frame_size, 3)
    first, again = warm.predict(asked, "relative"), warm.predict(asked, "relative")
    assert torch.equal(first, again)
    assert warm.network.detect.hits >= 9 and warm.network.generator.encode.hits >= 4
    last = PairBatch(*(part[2:] for part in (asked.ids, asked.source, asked.driving)), None, asked.anchor[2:], (2,))
    assert torch.equal(cold.predict(last, "relative"), first[2:])


@pytest.mark.parametrize("norm", [batch_norm, instance_norm])
@pytest.mark.parametrize("size", [(4, 9), (8, 8), (13, 10)])
def test_a_merged_doubling_is_the_plain_one(norm, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    block = UpBlock(6, 5, norm=norm).eval().requires_grad_(False)
    if norm is batch_norm:
        block.norm.running_mean.normal_()
        block.norm.running_var.uniform_(0.5, 2)
    block.norm.weight.uniform_(0.5, 2)
    x = torch.randn(1, 6, *size)
    expected = block(x)
    merge_doublings(block)
    assert "forward" in vars(block)
    torch.testing.assert_close(block(x), expected, atol=1e-5, rtol=1e-5)


def test_other_blocks_are_left_alone() -> None:
    block = SameBlock(3, 3)
    merge_doublings(block)
    assert "forward" not in vars(block)


def test_memory_is_bounded_and_the_latest_are_kept() -> None:
    calls = []

    def double(x: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return 2 * x

    kept = Remembered(double, budget=3 * 800)  # 100 float32 in and out take 800 bytes
    frames = [torch.full((1, 100), float(i)) for i in range(5)]
    with torch.inference_mode():
        for frame in frames:
            assert torch.equal(kept(frame), 2 * frame)
        assert kept.size == 2400 and len(calls) == 5
        assert torch.equal(kept(frames[4]), 2 * frames[4]) and len(calls) == 5
        kept(frames[0])
        assert len(calls) == 6 and kept.size == 2400


def test_equal_sums_are_told_apart_and_batches_and_training_pass_through() -> None:
    kept = Remembered(lambda x: x + 1)
    one = torch.tensor([[1.0, 2.0]])
    with torch.inference_mode():
        kept(one)
        assert kept(one.flip(1)).tolist() == [[3.0, 2.0]] and kept.hits == 0
        kept(torch.cat((one, one)))
    kept(one.requires_grad_())
    assert kept.hits == 0


@pytest.mark.parametrize("size", [(1, 1), (8, 9), (13, 6), (20, 24)])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("tile", [2, 4])
def test_a_convolution_by_tiles_is_the_plain_one(size: tuple[int, int], biased: bool, kernel: int, tile: int) -> None:
    noise = torch.Generator().manual_seed(0)
    x, weight = torch.randn(1, 5, *size, generator=noise), torch.randn(7, 5, kernel, kernel, generator=noise)
    bias = torch.randn(7, generator=noise) if biased else None
    expected = torch.nn.functional.conv2d(x, weight, bias, padding=kernel // 2)
    found = convolve(x, transformed(weight, tile), bias, tile=tile)
    assert found.stride(1) == 1 and not torch.equal(found, expected)
    torch.testing.assert_close(found, expected, atol=2e-5 * expected.abs().max().item(), rtol=0)
    assert torch.equal(convolve(x, transformed(weight, tile), bias, tile=tile, relu=True), found.relu())


@pytest.mark.parametrize("size", [(1, 8, 9), (3, 1, 6), (5, 20, 24)])
@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("tile", [2, 4])
def test_a_volume_convolved_by_tiles_is_the_plain_one(size: tuple[int, int, int], biased: bool, tile: int) -> None:
    noise = torch.Generator().manual_seed(0)
    x, weight = torch.randn(1, 5, *size, generator=noise), torch.randn(7, 5, 3, 3, 3, generator=noise)
    bias = torch.randn(7, generator=noise) if biased else None
    expected = torch.nn.functional.conv3d(x, weight, bias, padding=1)
    found = convolve(x, transformed(weight, tile), bias, tile=tile)
    assert found.stride(1) == 1 and not torch.equal(found, expected)
    torch.testing.assert_close(found, expected, atol=2e-5 * expected.abs().max().item(), rtol=0)


def test_small_tiles_round_nearly_as_the_plain_way() -> None:
    noise = torch.Generator().manual_seed(0)
    x, weight = torch.randn(1, 256, 32, 32, generator=noise), torch.randn(256, 256, 3, 3, generator=noise)
    exact = torch.nn.functional.conv2d(x.double(), weight.double(), padding=1)
    plain = (torch.nn.functional.conv2d(x, weight, padding=1) - exact).abs().max()
    small, large = ((convolve(x, transformed(weight, tile), None, tile=tile) - exact).abs().max() for tile in (2, 4))
    assert small < 4 * plain < large


def test_wide_convolutions_of_one_sample_go_by_tiles_and_no_others() -> None:
    torch.manual_seed(0)
    block, narrow, other = ResBlock(256), ResBlock(32), SameBlock(256, 256)
    network = torch.nn.ModuleList((block, narrow, other)).eval().requires_grad_(False)
    x = torch.randn(1, 256, 20, 20)
    expected, plain = block(x), block.conv1(torch.cat((x, x)))
    convolve_by_tiles(network)
    assert all("forward" in vars(conv) for conv in (block.conv1, block.conv2))
    assert not any("forward" in vars(conv) for conv in (narrow.conv1, other.conv))
    assert not torch.equal(block(x), expected)
    torch.testing.assert_close(block(x), expected, atol=1e-4, rtol=0)
    assert torch.equal(block.conv1(torch.cat((x, x))), plain)


@pytest.mark.parametrize("outputs, kernel, biased", [(1, 7, True), (3, 7, False), (2, 3, True), (6, 5, True)])
def test_few_outputs_are_convolved_by_blocks(outputs: int, kernel: int, biased: bool) -> None:
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(5, outputs, kernel, padding=kernel // 2, bias=biased).requires_grad_(False)
    even, odd = torch.randn(2, 5, 12, 20), torch.randn(1, 5, 13, 10)
    expected = conv(even), conv(odd)
    convolve_by_blocks(conv)
    assert "forward" in vars(conv)
    torch.testing.assert_close(conv(even), expected[0], atol=1e-6, rtol=1e-6)
    assert torch.equal(conv(odd), expected[1])


def test_other_convolutions_are_not_convolved_by_blocks() -> None:
    others = torch.nn.ModuleList(
        [torch.nn.Conv2d(5, 7, 3, padding=1), torch.nn.Conv2d(5, 1, 1), torch.nn.Conv2d(5, 3, 7)]
        + [torch.nn.Conv2d(5, 1, 3, padding=1, padding_mode="reflect"), torch.nn.Conv2d(5, 3, 3, 2, padding=1)]
    )
    convolve_by_blocks(others)
    assert not any("forward" in vars(conv) for conv in others)


def test_exempt_modules_keep_the_plain_way_and_amplifying_norms_get_small_tiles() -> None:
    torch.manual_seed(0)
    network = torch.nn.ModuleDict({"a": ResBlock(256), "b": ResBlock(256, norm=instance_norm)}).eval()
    x = torch.randn(1, 256, 20, 20)
    with torch.no_grad():
        expected = network["a"](x), network["b"](x)
        convolve_by_tiles(network, exempt=("a",))
        assert torch.equal(network["a"](x), expected[0])
        found = network["b"](x)
        assert not torch.equal(found, expected[1])
        torch.testing.assert_close(found, expected[1], atol=1e-5, rtol=0)


def test_halving_blocks_go_by_tiles_but_for_amplifying_norms() -> None:
    torch.manual_seed(0)
    network = torch.nn.ModuleDict({"a": DownBlock(64, 128), "b": DownBlock(64, 128, norm=instance_norm)}).eval()
    x = torch.randn(1, 64, 20, 20)
    with torch.no_grad():
        expected = network["a"](x), network["b"](x)
        convolve_by_tiles(network)
        found = network["a"](x)
        assert torch.equal(network["b"](x), expected[1]) and not torch.equal(found, expected[0])
        torch.testing.assert_close(found, expected[0], atol=2e-5, rtol=0)


@pytest.mark.parametrize("kernel, stride, biased", [(3, 1, True), (1, 1, False), (3, 2, True)])
def test_a_volume_is_convolved_alike_and_a_small_one_by_torch_itself(kernel: int, stride: int, biased: bool) -> None:
    torch.manual_seed(0)
    conv = torch.nn.Conv3d(5, 7, kernel, stride, padding=kernel // 2, bias=biased).requires_grad_(False)
    large, small = torch.randn(2, 5, 4, 16, 20), torch.randn(1, 5, 4, 8, 8)
    expected = conv(large), conv(small)
    convolve_volumes(conv)
    assert "forward" in vars(conv)
    torch.testing.assert_close(conv(large), expected[0], atol=1e-5, rtol=1e-5)
    assert torch.equal(conv(small), expected[1])


def test_wide_volumes_of_one_sample_go_by_tiles() -> None:
    torch.manual_seed(0)
    conv = torch.nn.Conv3d(32, 40, 3, padding=1).requires_grad_(False)
    large, low = torch.randn(2, 32, 4, 16, 20), torch.randn(1, 32, 16, 8, 20)
    expected = conv(large), conv(low)
    convolve_volumes(conv)
    by_tiles, by_onednn = conv(large[:1]), conv(large)
    assert not torch.equal(by_tiles, by_onednn[:1])
    for found, wanted in ((by_tiles, expected[0][:1]), (by_onednn, expected[0]), (conv(low), expected[1])):
        torch.testing.assert_close(found, wanted, atol=3e-5, rtol=0)


@pytest.mark.parametrize("kernel, biased", [((3, 3), True), ((1, 5), False)])
def test_few_outputs_are_mixed_before_an_enlargement(kernel: tuple[int, int], biased: bool) -> None:
    torch.manual_seed(0)
    up = torch.nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    conv = torch.nn.Conv2d(40, 2, kernel, padding=(kernel[0] // 2, kernel[1] // 2), bias=biased)
    network = torch.nn.Sequential(torch.nn.ReLU(), up, conv).requires_grad_(False)
    x = torch.randn(2, 40, 7, 10)
    expected = network(x)
    mix_before_enlarging(network)
    assert up(x).shape == (2, 2 * kernel[0] * kernel[1], 14, 20)
    torch.testing.assert_close(network(x), expected, atol=1e-6, rtol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        assert up(x).shape == (2, 40, 14, 20)
        torch.testing.assert_close(network(x).float(), expected, atol=0.1, rtol=0.1)


def test_many_outputs_and_spared_layers_are_not_mixed_before() -> None:
    wide = torch.nn.Sequential(torch.nn.Upsample(scale_factor=2), torch.nn.Conv2d(8, 3, 3, padding=1))
    moved = torch.nn.Sequential(torch.nn.Upsample(scale_factor=2), torch.nn.Conv2d(80, 3, 3, 2, padding=1))
    spared = torch.nn.Sequential(torch.nn.Upsample(scale_factor=2), torch.nn.Conv2d(80, 3, 3, padding=1))
    network = torch.nn.ModuleDict({"a": wide, "b": moved, "c": spared})
    mix_before_enlarging(network, exempt=("c",))
    assert not any("forward" in vars(layer) for layer in network.modules())


def test_exempt_volumes_and_other_paddings_are_left_alone() -> None:
    network = torch.nn.ModuleDict({"a": torch.nn.Conv3d(2, 2, 3, padding=1)})
    network["b"] = torch.nn.Conv3d(2, 2, 3, padding=1, padding_mode="replicate")
    network["c"] = torch.nn.Conv3d(2, 2, 3, padding="same")
    convolve_volumes(network, exempt=("a",))
    assert not any("forward" in vars(conv) for conv in network.values())


def test_of_threads_that_ask_for_the_same_one_computes() -> None:
    calls, begun, go_on = [], threading.Event(), threading.Event()

    def slow(x: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        begun.set()
        assert go_on.wait(10)
        return x + 1

    kept, one = Remembered(slow), torch.ones(1, 3)
    with ThreadPoolExecutor(3) as pool:
        ask = torch.inference_mode()(lambda: kept(one))
        asked = [pool.submit(ask)]
        assert begun.wait(10)
        asked += [pool.submit(ask), pool.submit(ask)]
        while kept.hits < 2:
            time.sleep(0.001)
        go_on.set()
        assert all(torch.equal(answer.result(), one + 1) for answer in asked)
    assert len(calls) == 1 and kept.size == 24


def test_what_failed_is_not_remembered() -> None:
    answers = iter([RuntimeError("out of memory"), torch.zeros(1, 2)])

    def fails_once(x: torch.Tensor) -> torch.Tensor:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    kept = Remembered(fails_once)
    with torch.inference_mode():
        with pytest.raises(RuntimeError, match="out of memory"):
            kept(torch.ones(1, 2))
        assert kept.size == 0 and not kept(torch.ones(1, 2)).any()


def test_a_pair_alone_has_the_bits_that_it_has_among_others_whatever_the_cores() -> None:
    predictor = registry.load("x2face", weights=None, device=CPU)
    asked = batch(predictor.frame_size, 3)
    last = PairBatch(*(part[2:] for part in (asked.ids, asked.source, asked.driving)), None, asked.anchor[2:], (2,))
    cores = torch.get_num_threads()
    frames = []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            predictor.forget()
            frames.append(predictor.predict(asked, "absolute"))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(cores)
    predictor.forget()
    assert all(torch.equal(again, frames[0]) for again in frames[1:])
    assert torch.equal(predictor.predict(last, "absolute"), frames[0][2:])


def test_numbers_too_small_to_be_normal_are_zero_side_by_side_and_nowhere_else() -> None:
    tiny = torch.full((8,), 1e-39)
    assert side_by_side(lambda part: float((part * 1.0).max()), [tiny, tiny]) == [0.0, 0.0]
    assert float((tiny * 1.0).max()) > 0


def test_errors_and_order_of_parts_side_by_side() -> None:
    assert side_by_side(lambda part: part * torch.get_num_threads(), [3, 1, 2]) == [3, 1, 2]
    with pytest.raises(ZeroDivisionError):
        side_by_side(lambda part: 1 / part, [1, 0])


def test_nothing_goes_on_beside_an_error() -> None:
    begun, ended = [], []

    def work(part: int) -> None:
        if part == 0:
            raise ZeroDivisionError
        begun.append(part)
        time.sleep(0.1)
        ended.append(part)

    with pytest.raises(ZeroDivisionError):
        side_by_side(work, range(20))
    assert sorted(begun) == sorted(ended) and len(begun) < 19


def test_parts_side_by_side_within_a_part_wait_for_no_thread() -> None:
    def within(part: int) -> list[int]:
        return side_by_side(lambda other: 10 * part + other, [1, 2])

    assert side_by_side(within, range(8)) == [[10 * part + 1, 10 * part + 2] for part in range(8)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked here")
def test_a_forked_process_has_threads_of_its_own() -> None:
    code = """
import os
from baselines.cpu.parallel_map import side_by_side
assert side_by_side(abs, [-1, -2]) == [1, 2]
child = os.fork()
if not child:
    os._exit(side_by_side(abs, [-3, -4]) != [3, 4])
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)


@pytest.mark.parametrize("size", [(2, 2), (4, 8), (8, 8)])
@pytest.mark.parametrize("kernel, stride, padding, biased", [(3, 1, 1, True), (4, 2, 1, False), (3, 2, 0, True)])
def test_a_small_convolution_is_one_product(size, kernel, stride, padding, biased) -> None:
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(64, 70, kernel, stride, padding, bias=biased).requires_grad_(False)
    small, large, two = torch.randn(1, 64, 4, 4), torch.randn(1, 64, 24, 24), torch.randn(2, 64, 4, 4)
    x = torch.randn(1, 64, *size) if min(size) + 2 * padding >= kernel else small
    expected = [conv(each) for each in (x, small, large, two)]
    unfold_small(conv)
    found = [conv(each) for each in (x, small, large, two)]
    for one, other in zip(found, expected):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)
    assert torch.equal(found[2], expected[2]) and torch.equal(found[3], expected[3])  # left to torch
    assert found[1].is_contiguous(memory_format=torch.channels_last)


def test_other_convolutions_are_not_unfolded() -> None:
    others = torch.nn.ModuleList(
        [torch.nn.Conv2d(64, 64, 1), torch.nn.Conv2d(32, 64, 3), torch.nn.Conv2d(64, 64, 3, groups=2)]
        + [torch.nn.Conv2d(64, 64, 3, padding="same"), torch.nn.Conv2d(64, 64, 3, padding=1, padding_mode="reflect")]
    )
    for conv in others:
        unfold_small(conv)
    assert not any("forward" in vars(conv) for conv in others)


def test_a_norm_in_a_sequence_is_part_of_the_convolution_before_it() -> None:
    torch.manual_seed(0)
    layers = torch.nn.Sequential(
        *(torch.nn.BatchNorm2d(3), torch.nn.Conv2d(3, 5, 3), torch.nn.BatchNorm2d(5), torch.nn.ReLU()),
        *(torch.nn.Conv2d(5, 64, 3), torch.nn.Conv2d(64, 64, 3), torch.nn.BatchNorm2d(64)),
    )
    for norm in (layers[0], layers[2], layers[6]):
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    layers.eval().requires_grad_(False)
    before = {name: value.clone() for name, value in layers.state_dict().items()}
    calls = []
    layers[2].register_forward_hook(lambda *_: calls.append(1))
    for x in (torch.randn(1, 3, 9, 10), torch.randn(2, 3, 20, 21)):
        plain = torch.nn.Sequential.forward(layers, x)
        keep_channels_last(layers)
        calls.clear()
        torch.testing.assert_close(layers(x), plain, atol=1e-5, rtol=1e-5)
        assert not calls
    assert all(torch.equal(value, before[name]) for name, value in layers.state_dict().items())


def test_the_order_in_memory_and_odd_sizes_do_not_matter_to_what_is_remembered() -> None:
    kept = Remembered(lambda x: x * 2)
    image = torch.rand(1, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        for x in (image, torch.rand(1, 5), torch.rand(1, 3, 3, 3), torch.rand(1, 4, dtype=torch.float64)):
            first, hits = kept(x), kept.hits
            assert torch.equal(kept(x.clone()), first) and kept.hits == hits + 1
            assert torch.equal(kept(x.flip(-1)), first.flip(-1)) and kept.hits == hits + 1
        assert torch.equal(kept(image.contiguous()), kept(image))
