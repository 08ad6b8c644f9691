"""Parts side by side on a processor's cores: order, errors, threads, and the same bits whatever the cores."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest
import torch
from support.noise_pairs import CPU, batch

from baselines import registry
from baselines.parallel_map import parallel_map
from baselines.predictor import PairBatch


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
    assert parallel_map(lambda part: float((part * 1.0).max()), [tiny, tiny]) == [0.0, 0.0]
    assert float((tiny * 1.0).max()) > 0


def test_errors_and_order_of_parts_parallel_map() -> None:
    assert parallel_map(lambda part: part * torch.get_num_threads(), [3, 1, 2]) == [3, 1, 2]
    with pytest.raises(ZeroDivisionError):
        parallel_map(lambda part: 1 / part, [1, 0])


def test_nothing_goes_on_beside_an_error() -> None:
    begun, ended = [], []

    def work(part: int) -> None:
        if part == 0:
            raise ZeroDivisionError
        begun.append(part)
        time.sleep(0.1)
        ended.append(part)

    with pytest.raises(ZeroDivisionError):
        parallel_map(work, range(20))
    assert sorted(begun) == sorted(ended) and len(begun) < 19


def test_parts_side_by_side_within_a_part_wait_for_no_thread() -> None:
    def within(part: int) -> list[int]:
        return parallel_map(lambda other: 10 * part + other, [1, 2])

    assert parallel_map(within, range(8)) == [[10 * part + 1, 10 * part + 2] for part in range(8)]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no processes are forked here")
def test_a_forked_process_has_threads_of_its_own() -> None:
    code = """
import os
from baselines.parallel_map import parallel_map
assert parallel_map(abs, [-1, -2]) == [1, 2]
child = os.fork()
if not child:
    os._exit(parallel_map(abs, [-3, -4]) != [3, 4])
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, timeout=60)
