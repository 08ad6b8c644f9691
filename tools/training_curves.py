"""Draw docs/training_curves.png: the logs of the sample checkpoints. Run from the repository's root."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import pandas as pd

matplotlib.use("Agg")
from matplotlib import pyplot as plt  # noqa: E402

SMOOTHED = 9  # rows of the log in a running median
PANELS = {"l1": "100 L1", "perceptual": "10 perceptual", "gradient": "gradient norm"}


def main() -> None:
    logs = sorted(Path("baselines").glob("*/*_log.csv"))
    figure, axes = plt.subplots(1, len(PANELS), figsize=(11, 3.4), layout="constrained")
    for ax in axes:
        ax.set_prop_cycle(color=plt.get_cmap("tab20").colors)
    for file in logs:
        name = file.name.removesuffix("_log.csv")
        log = pd.read_csv(file)
        for ax, column in zip(axes, PANELS):
            smooth = log[column].rolling(SMOOTHED, center=True, min_periods=1).median()
            ax.plot(log["step"] / log["step"].iloc[-1], smooth, label=file.parent.name if name == "sample" else name)
    for ax, title in zip(axes, PANELS.values()):
        ax.set(title=title, xlabel="share of the steps", yscale="log")
        ax.grid(alpha=0.25, which="both")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    figure.savefig("docs/training_curves.png", dpi=80, metadata={"Software": None})


if __name__ == "__main__":
    main()
