"""How close each network is to this machine's convolution peak, and what the rest of its time is used for.

    python tools/roofline.py [--models fomm,tpsm] [--picture docs/roofline.png]

The peak is the best of several large convolutions, on one thread and on all, by wall time, alternating with the rest.
Networks are of official size with random weights, one frame in absolute motion, nothing memoized, one thread. Their
multiply-adds are those of the plain form, as torch's FlopCounterMode counts them, so a form that needs fewer has a
higher rate. All times are CPU time, which depends less on other programs. Shares are torch.profiler's own times of
operators, by kind.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import torch
from torch.nn import functional as F
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from baselines import registry
from baselines.card import systems
from baselines.predictor import PairBatch
from bench.runtime.allocator import reuse_freed_memory

LARGE = ((512, 64), (256, 64), (64, 256), (256, 128))  # channels and side of the convolutions for the peak
KINDS = {  # part of an operator's name: its kind
    "conv": "convolutions",
    "mm": "matrix products",
    "grid_sampler": "sampling",
    "attention": "attention",
    "norm": "normalization",
    "upsample": "resize and pooling",
    "pool": "resize and pooling",
    "clamp": "activations",
    "relu": "activations",
    "elu": "activations",
    "softmax": "activations",
    "sigmoid": "activations",
    "copy": "copies and padding",
    "pad": "copies and padding",
    "cat": "copies and padding",
    "contiguous": "copies and padding",
}
OTHER = "other"
ORDER = (*dict.fromkeys(KINDS.values()), OTHER)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", default=",".join(systems("frames")))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    threads = torch.get_num_threads()
    reuse_freed_memory()
    peaks = {n: peak(n) for n in dict.fromkeys((1, threads))}
    torch.set_num_threads(1)
    print("Convolution peak: " + ", ".join(f"{rate:.0f} GFLOP/s on {n} thread(s)" for n, rate in peaks.items()) + "\n")
    print("| network | multiply-adds, 10^9 | plain: s | of peak | as it runs: s | of peak | ratio |", end="")
    print("".join(f" {kind} |" for kind in ORDER))
    print("| --- |" + " ---: |" * (6 + len(ORDER)))
    shares = {}
    for name in asked.models.split(","):
        cost, plain, fast, kinds = network(name, asked.rounds)
        near = [2 * cost / seconds / peaks[1] for seconds in (min(plain), min(fast))]
        ratio = statistics.median(a / b for a, b in zip(plain, fast))
        shares[name] = kinds
        row = f"| {name} | {cost:.1f} | {min(plain):.2f} | {near[0]:.0%} | {min(fast):.2f} | {near[1]:.0%} |"
        print(f"{row} {ratio:.2f}x |" + "".join(f" {kinds[kind]:.1%} |" for kind in ORDER), flush=True)
        if asked.picture:
            draw(shares, asked.picture)


def peak(threads: int) -> float:
    """Return GFLOP/s of the fastest of `LARGE`; by wall time where several threads share the work."""
    torch.set_num_threads(threads)
    clock = time.thread_time if threads == 1 else time.perf_counter
    best = 0.0
    with torch.inference_mode():
        for channels, side in LARGE:
            x, weight = torch.randn(1, channels, side, side), torch.randn(channels, channels, 3, 3)
            seconds = min(timed(lambda x=x, w=weight: F.conv2d(x, w, padding=1), clock) for _ in range(6))
            best = max(best, 2 * 9 * channels**2 * side**2 / seconds / 1e9)
    return best


def network(name: str, rounds: int) -> tuple[float, list[float], list[float], Counter[str]]:
    """Return 10^9 multiply-adds, seconds of the plain and the default form, and shares of the latter's time by kind."""
    generator = torch.Generator().manual_seed(0)
    source, driving = torch.rand(2, 1, 3, 256, 256, generator=generator)
    batch = PairBatch(("a",), source, driving, seeds=(1,))
    forms = []
    for options in ("&plain=true", ""):
        model = registry.load(f"{name}?weights=untrained{options}", weights=None, device=torch.device("cpu"))

        def once(model=model) -> None:
            model.forget()
            model.predict(batch, "absolute")

        forms.append(once)
    with FlopCounterMode(display=False) as counter:
        forms[0]()
    forms[1]()  # a first call chooses kernels
    seconds: list[list[float]] = [[], []]
    for _ in range(rounds):
        for form, times in zip(forms, seconds):
            times.append(timed(form, time.process_time))
    model = registry.load(f"{name}?weights=untrained", weights=None, device=torch.device("cpu"))
    torch.set_flush_denormal(True)  # as in the threads of `predict`
    with torch.inference_mode(), profile(activities=[ProfilerActivity.CPU]) as profiler:
        model.animate(batch, "absolute")  # in this thread, the only one that is profiled
    torch.set_flush_denormal(False)
    own = Counter()
    for event in profiler.key_averages():
        own[kind_of(event.key)] += event.self_cpu_time_total
    total = own.total()
    return counter.get_total_flops() / 2e9, *seconds, Counter({kind: own[kind] / total for kind in ORDER})


def kind_of(operator: str) -> str:
    return next((kind for part, kind in KINDS.items() if part in operator), OTHER)


def timed(work: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    work()
    return clock() - start


def draw(shares: dict[str, Counter[str]], file: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(8, 3.4), layout="constrained")
    names, left = list(shares), [0.0] * len(shares)
    for kind in ORDER:
        widths = [100 * shares[name][kind] for name in names]
        axes.barh(names, widths, left=left, label=kind)
        left = [a + b for a, b in zip(left, widths)]
    axes.invert_yaxis()
    axes.set(xlabel="% of a frame's time", xlim=(0, 100))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=4, fontsize="small")
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    main()
