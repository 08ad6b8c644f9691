"""Full float32 for the whole process, set once and never by the block."""

from __future__ import annotations

import threading

import pytest
import torch

from baselines import arithmetic, registry
from baselines.network_predictor import NetworkPredictor
from baselines.predictor import PairBatch, filled
from bench.metrics.base import filled_blocks
from bench.runtime import device

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
EXACT = arithmetic.PRECISION | arithmetic.CHOICE


@pytest.fixture(autouse=True)
def set_back():
    """Whatever a test does to the process, the next one finds it as the commands set it."""
    arithmetic.exact()
    yield
    arithmetic.exact()


LOOSENED = {
    "cudnn.allow_tf32": lambda: setattr(torch.backends.cudnn, "allow_tf32", True),
    "cuda.matmul.allow_tf32": lambda: setattr(torch.backends.cuda.matmul, "allow_tf32", True),
    "float32_matmul_precision": lambda: torch.set_float32_matmul_precision("high"),
    "cudnn.benchmark": lambda: setattr(torch.backends.cudnn, "benchmark", True),
    "cudnn.deterministic": lambda: setattr(torch.backends.cudnn, "deterministic", False),
}
if hasattr(torch.backends.cudnn, "conv"):  # the newer switches
    LOOSENED["newer, convolutions"] = lambda: setattr(torch.backends.cudnn.conv, "fp32_precision", "tf32")
    LOOSENED["newer, products"] = lambda: setattr(torch.backends.cuda.matmul, "fp32_precision", "tf32")
    LOOSENED["newer, everything"] = lambda: setattr(torch.backends, "fp32_precision", "tf32")


@pytest.mark.parametrize("which", LOOSENED)
def test_every_switch_is_seen_and_set_back(which):
    assert arithmetic.state() == EXACT and arithmetic.changed(CUDA) == ([], [])
    LOOSENED[which]()
    precision, choice = arithmetic.changed(CUDA)
    assert which in precision + choice or (which.startswith("newer") and precision)
    assert (which in choice) == (which in arithmetic.CHOICE)
    arithmetic.exact()
    assert arithmetic.state() == EXACT and arithmetic.changed(CUDA) == ([], [])


def test_on_a_cpu_only_what_its_kernels_obey_counts():
    torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    assert arithmetic.changed(CPU) == ([], [])
    torch.set_float32_matmul_precision("medium")
    assert arithmetic.changed(CPU) == (["float32_matmul_precision"], [])


@pytest.mark.parametrize(
    "command",
    [
        lambda: device.choose("cpu"),
        lambda: device.choose(None),
        lambda: registry.load("copy-source", weights=None, device=CPU),
    ],
)
def test_what_every_command_calls_sets_them(command):
    for loosen in LOOSENED.values():
        loosen()
    command()
    assert arithmetic.state() == EXACT


class Watched(NetworkPredictor):
    """A network that notes the switches while it works, and meets another thread in the middle."""

    def __init__(self, meet):
        self.name, self.motion_modes, self.device, self.frame_size = "watched", ("absolute",), CPU, 8
        self.plain, self.compiled, self.meet, self.seen = True, None, meet, []

    def check(self, batch, mode):
        pass

    def animate(self, batch, mode):
        self.meet(self.seen)
        return batch.source

    def build(self, config, options):
        raise NotImplementedError

    @classmethod
    def read_shapes(cls, config, states):
        raise NotImplementedError


def interleaved(first, second):
    """Run both: `second` begins inside `first`, `first` ends inside `second`. What each saw then."""
    one_inside, two_inside, one_ended = threading.Event(), threading.Event(), threading.Event()
    ends = []

    def meet_first(seen):
        one_inside.set()
        two_inside.wait(10)
        seen.append(arithmetic.state())

    def meet_second(seen):
        two_inside.set()
        one_ended.wait(10)
        seen.append(arithmetic.state())

    def run_first():
        ends.append(first(meet_first))
        one_ended.set()

    threads = [threading.Thread(target=run_first)]
    threads[0].start()
    one_inside.wait(10)
    threads.append(threading.Thread(target=lambda: ends.append(second(meet_second))))
    threads[1].start()
    for thread in threads:
        thread.join(20)
    return ends


def test_blocks_of_flags_in_two_threads_undo_each_other():
    """Why no code here uses them: inside the second block TF32 is on again."""

    def block(meet):
        seen = []
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            meet(seen)
        return seen[0]["cudnn.allow_tf32"]

    torch.backends.cudnn.allow_tf32 = True  # torch's default
    assert interleaved(block, block) == [False, True]


def test_networks_and_metrics_in_two_threads_stay_exact():
    images = torch.zeros(2, 3, 8, 8)

    def network(meet):
        predictor = Watched(meet)
        predictor.predict(PairBatch(("a",), images[:1], images[:1], None, None, (0,)), "absolute")
        return predictor.seen[0]

    def metric(meet):
        seen = []

        def measure(a, b):
            if not seen:
                meet(seen)
            return a.mean((1, 2, 3))

        filled_blocks(measure, images, images)
        return seen[0]

    assert interleaved(network, metric) == [EXACT, EXACT]
    assert interleaved(metric, network) == [EXACT, EXACT]


def test_a_batch_is_filled_up_with_its_last_pair():
    images = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 3, 2, 2)
    batch = PairBatch(("a", "b", "c"), images, images, None, images, (1, 2, 3), ({}, {}, {"x": 1}))
    more = filled(batch, 5)
    assert more.ids == ("a", "b", "c", "c", "c") and more.seeds == (1, 2, 3, 3, 3) and more.target is None
    assert more.source[:, 0, 0, 0].tolist() == more.anchor[:, 0, 0, 0].tolist() == [0, 1, 2, 2, 2]
    assert filled(batch, 3) is batch and filled(batch, 0) is batch
