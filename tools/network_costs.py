"""Parameters, multiply-adds and time of every network at its official size, as a Markdown table.

    python tools/network_costs.py [MODEL …]

Weights are random: they do not change the cost. Multiply-adds are those of convolutions and matrix products, as
torch's FlopCounterMode counts them (two operations each), for one frame in absolute motion, the source's part included.
Times are ratios: each network's median over rounds, divided by FOMM's of the same rounds.
"""

from __future__ import annotations

import statistics
import sys
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from baselines import registry
from baselines.card import MODELS, card
from baselines.predictor import PairBatch, Predictor

ROUNDS = 5
RULER = "fomm"


def main(names: list[str]) -> None:
    generator = torch.Generator().manual_seed(0)
    source, driving = torch.rand(2, 1, 3, 256, 256, generator=generator)
    batch = PairBatch(("a",), source, driving, seeds=(1,))
    device = torch.device("cpu")
    ruler = registry.load(f"{RULER}?weights=untrained&plain=true", weights=None, device=device)
    print("| model | parameters, million | multiply-adds a frame, 10^9 | frames per second | time, FOMM = 1 |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for name in names:
        predictor = registry.load(f"{name}?weights=untrained&plain=true", weights=None, device=device)
        with FlopCounterMode(display=False) as counter:
            predictor.predict(batch, "absolute")
        ratios, seconds = [], []
        for _ in range(ROUNDS):
            own, other = once(predictor, batch), once(ruler, batch)
            ratios.append(own / other)
            seconds.append(own)
        parameters = predictor.describe()["parameters"] / 1e6
        cost = counter.get_total_flops() / 2e9
        rate, ratio = 1 / statistics.median(seconds), statistics.median(ratios)
        spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
        print(f"| `{name}` | {parameters:.1f} | {cost:.1f} | {rate:.2f} | {ratio:.2f} ({spread}) |", flush=True)


def once(predictor: Predictor, batch: PairBatch) -> float:
    started = time.perf_counter()
    predictor.predict(batch, "absolute")
    return time.perf_counter() - started


if __name__ == "__main__":
    main(sys.argv[1:] or [name for name in MODELS if card(name).of is None or "+" in name or "spade" in name])
