"""Draw how a Fréchet and a kernel distance depend on the number of frames, from the stored features of a run.

python tools/fid_against_n.py runs/NAME MODEL --metrics fid-lite0,kid-lite0 --out docs/fid_against_n.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from bench.metrics.sets.base import Features
from bench.metrics.sets.catalogue import SET_DEFINITIONS
from bench.rundir.directory import REAL, RunDirectory
from bench.stats import sets

DRAWS = 40
SEED = 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("model")
    parser.add_argument("--metrics", default="fid-lite0,kid-lite0")
    parser.add_argument("--out", type=Path, default=Path("docs/fid_against_n.png"))
    given = parser.parse_args()
    names = given.metrics.split(",")
    matplotlib.rcParams["svg.hashsalt"] = "fid"
    figure = Figure(figsize=(3.6 * len(names), 3.0), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names):
        made, real = features(given.run, name, given.model)
        rows = curve(name, made, real)
        print(f"{name}, {given.model}: frames, mean of {DRAWS} draws, 2.5 % and 97.5 %")
        for n, mean, low, high in rows:
            print(f"{n:6d} {mean:10.4f} {low:10.4f} {high:10.4f}")
        n, mean, low, high = zip(*rows)
        axes.fill_between(n, low, high, alpha=0.25, linewidth=0)
        axes.plot(n, mean, marker="o", markersize=3)
        axes.axhline(0, color="gray", linewidth=0.6)
        axes.set(xscale="log", xlabel="frames per side", title=name)
    figure.savefig(given.out, dpi=150)


def features(run: Path, name: str, model: str) -> tuple[Features, Features]:
    """Return the stored features of a model and of the real frames."""
    directory = RunDirectory(run)
    kind = SET_DEFINITIONS[name].kind
    made, real = (sets.features(directory.features(directory.complete(), kind, side)) for side in (model, REAL))
    return made, real


def curve(name: str, made: Features, real: Features) -> list[tuple[int, float, float, float]]:
    """Return numbers of frames per side, drawn without replacement; mean, 2.5 % and 97.5 % of the distance."""
    rng = np.random.default_rng(SEED)
    most = min(len(made.values), len(real.values))
    found = []
    for n in np.unique(np.geomspace(8, most, 8).astype(int)):
        values = []
        for _ in range(DRAWS):
            one, other = (rng.choice(len(side.values), n, replace=False) for side in (made, real))
            (estimate,) = SET_DEFINITIONS[name].distance([made[one]], real[other], 2, SEED)
            values.append(estimate.value)
        found.append((int(n), float(np.mean(values)), *map(float, np.quantile(values, [0.025, 0.975]))))
    return found


if __name__ == "__main__":
    main()
