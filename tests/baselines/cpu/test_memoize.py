"""What pairs share is computed once, and has the bits that computing it again would give."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from support.noise_pairs import CPU, batch

from baselines import registry
from baselines.cpu.memoize import Memoized
from baselines.predictor import PairBatch


def test_what_was_memoized_has_the_bits_that_computing_gives() -> None:
    warm, cold = (registry.load("fomm", weights=None, device=CPU) for _ in range(2))
    asked = batch(warm.frame_size, 3)
    first, again = warm.predict(asked, "relative"), warm.predict(asked, "relative")
    assert torch.equal(first, again)
    assert warm.network.detect.hits >= 9 and warm.network.generator.encode.hits >= 4
    last = PairBatch(*(part[2:] for part in (asked.ids, asked.source, asked.driving)), None, asked.anchor[2:], (2,))
    assert torch.equal(cold.predict(last, "relative"), first[2:])


def test_memory_is_bounded_and_the_latest_are_kept() -> None:
    calls = []

    def double(x: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return 2 * x

    kept = Memoized(double, budget=3 * 800)  # 100 float32 in and out take 800 bytes
    frames = [torch.full((1, 100), float(i)) for i in range(5)]
    with torch.inference_mode():
        for frame in frames:
            assert torch.equal(kept(frame), 2 * frame)
        assert kept.size == 2400 and len(calls) == 5
        assert torch.equal(kept(frames[4]), 2 * frames[4]) and len(calls) == 5
        kept(frames[0])
        assert len(calls) == 6 and kept.size == 2400


def test_equal_sums_are_told_apart_and_batches_and_training_pass_through() -> None:
    kept = Memoized(lambda x: x + 1)
    one = torch.tensor([[1.0, 2.0]])
    with torch.inference_mode():
        kept(one)
        assert kept(one.flip(1)).tolist() == [[3.0, 2.0]] and kept.hits == 0
        kept(torch.cat((one, one)))
    kept(one.requires_grad_())
    assert kept.hits == 0


def test_of_threads_that_ask_for_the_same_one_computes() -> None:
    calls, begun, go_on = [], threading.Event(), threading.Event()

    def slow(x: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        begun.set()
        assert go_on.wait(10)
        return x + 1

    kept, one = Memoized(slow), torch.ones(1, 3)
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


def test_what_failed_is_not_memoized() -> None:
    answers = iter([RuntimeError("out of memory"), torch.zeros(1, 2)])

    def fails_once(x: torch.Tensor) -> torch.Tensor:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    kept = Memoized(fails_once)
    with torch.inference_mode():
        with pytest.raises(RuntimeError, match="memory$"):
            kept(torch.ones(1, 2))
        assert kept.size == 0 and not kept(torch.ones(1, 2)).any()


def test_the_order_in_memory_and_odd_sizes_do_not_matter_to_what_is_memoized() -> None:
    kept = Memoized(lambda x: x * 2)
    image = torch.rand(1, 3, 8, 8).contiguous(memory_format=torch.channels_last)
    with torch.inference_mode():
        for x in (image, torch.rand(1, 5), torch.rand(1, 3, 3, 3), torch.rand(1, 4, dtype=torch.float64)):
            first, hits = kept(x), kept.hits
            assert torch.equal(kept(x.clone()), first) and kept.hits == hits + 1
            assert torch.equal(kept(x.flip(-1)), first.flip(-1)) and kept.hits == hits + 1
        assert torch.equal(kept(image.contiguous()), kept(image))
