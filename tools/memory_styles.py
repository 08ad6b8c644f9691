"""Measure whether MemFace's implicit memory helps if one sentence is spoken in two styles: training errors, a picture.

    python tools/memory_styles.py [--steps 300] [--seeds 3] [--picture docs/memory_styles.png]

A face made of ARKit's shapes (downloaded; see baselines/memface/arkit.py) speaks synthetic sentences in two styles:
with wide lips and an open jaw, or mumbling and smiling. In ``style unknown`` the speech features are the same in both;
in ``style in the context`` the quarter of a second before the sentence sounds different. The rest is as in training:
networks with and without the memory (and one of the same size without it), Eq. 4, alternating updates in the first half
(and without them).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from baselines.memface import losses
from baselines.memface.arkit import ArkitShapes, arkit
from baselines.memface.audio_to_expression import A2EConfig, AudioToExpression, parameters
from baselines.memface.memory import ImplicitMemory
from bench.runtime.config import cache_folder

FRAMES, CUE, FEATURES, SENTENCES = 32, 6, 26, 8
RATE, EVERY = 1e-3, 10
SLOTS = 200
WIDE_LAYERS = 371  # feed-forward width of the network without memory that has the same size
STYLES = (
    {"jawOpen": 0.9, "mouthLowerDown_L": 0.5, "mouthLowerDown_R": 0.5, "mouthPucker": 0.6},
    {"jawOpen": 0.35, "mouthPucker": 0.2, "mouthSmile_L": 0.5, "mouthSmile_R": 0.5},
)
KINDS = {
    "without memory": {"memory": "none"},
    "without memory, same size": {"memory": "none", "feedforward": WIDE_LAYERS},
    "with memory": {"memory": "implicit", "slots": SLOTS},
    "with memory, no alternating updates": {"memory": "implicit", "slots": SLOTS},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    basis = arkit(cache_folder())
    rows = []
    for condition, tells in (("style unknown", False), ("style in the context", True)):
        speech, coefficients = sentences(basis, tells)
        mouth = torch.from_numpy(basis.components[:, basis.mouth]).float()
        apart = torch.tensordot(coefficients[0::2] - coefficients[1::2], mouth, 1)[:, CUE:]
        floor = 10 * apart.square().sum(-1).mean().sqrt().item() / 2
        print(f"{condition}: half the difference of the two styles: {floor:.2f} mm", flush=True)
        for kind, settings in KINDS.items():
            for seed in range(asked.seeds):
                config = A2EConfig(features=FEATURES, coefficients=basis.width, window=FRAMES, dropout=0.0, **settings)
                turns = 0.0 if "no alternating" in kind else 0.5
                curve, count = trained(config, speech, coefficients, mouth, asked.steps, seed, turns)
                facts = {"condition": condition, "kind": kind, "seed": seed, "parameters": count, "floor": floor}
                rows += [{**facts, "step": step, "error": error} for step, error in curve]
                print(f"{condition}, {kind}, seed {seed}: {count} parameters, {curve[-1][1]:.3f} mm", flush=True)
    table = pd.DataFrame(rows)
    last = table[table.step == asked.steps].groupby(["condition", "kind"]).error
    print(pd.DataFrame({"mean": last.mean(), "least": last.min(), "most": last.max()}).round(3))
    if asked.picture:
        draw(table, asked.picture)


def sentences(basis: ArkitShapes, tells: bool) -> tuple[Tensor, Tensor]:
    """Return speech ``(2 S, T, F)`` and coefficients ``(2 S, T, 52)``; each sentence twice, in both styles."""
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(SENTENCES, FRAMES + 4, FEATURES))
    said = np.stack([steps[:, k : k + FRAMES] for k in range(5)]).mean(0) * np.sqrt(5)
    jaw, lips = (1 / (1 + np.exp(-2 * said @ rng.normal(size=FEATURES) / np.sqrt(FEATURES))) for _ in range(2))
    cues = rng.normal(size=(2, CUE, FEATURES))
    speech, faces = [], []
    for sentence in range(SENTENCES):
        for style, gains in enumerate(STYLES):
            heard = said[sentence].copy()
            heard[:CUE] = cues[style] if tells else cues[0]
            face = np.zeros((FRAMES, basis.width))
            for shape, gain in gains.items():
                of = lips[sentence] if shape == "mouthPucker" else jaw[sentence]
                face[:, basis.shapes.index(shape)] = gain * (1.0 if "Smile" in shape else of)
            face[:CUE] = 0  # still silent
            speech.append(heard)
            faces.append(face)
    return torch.from_numpy(np.stack(speech)).float(), torch.from_numpy(np.stack(faces)).float()


def trained(
    config: A2EConfig, speech: Tensor, coefficients: Tensor, mouth: Tensor, steps: int, seed: int, turns: float
) -> tuple[list[tuple[int, float]], int]:
    """Train; return the error over the steps, RMSE of mouth vertices in mm, and the number of parameters.

    turns: share of the steps in which network and memory are updated alternately.
    """
    torch.manual_seed(seed)
    network = AudioToExpression(config)
    memory = network.memory
    stored = [memory.keys, memory.values] if isinstance(memory, ImplicitMemory) else []
    rest = [value for value in network.parameters() if all(value is not one for one in stored)]
    optimizers = [torch.optim.Adam(part, RATE) for part in (rest, stored) if part]
    truth = torch.tensordot(coefficients, mouth, 1)
    curve = []
    for step in range(steps):
        found = network(speech)
        vertices = torch.tensordot(found, mouth, 1)
        loss = losses.coefficient_loss(found, coefficients) + losses.vertex_loss(vertices, truth)
        if isinstance(memory, ImplicitMemory):
            loss = loss + losses.REGULARIZER * losses.memory_loss(memory.keys, memory.values)
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        for optimizer in optimizers if step >= steps * turns else [optimizers[step % len(optimizers)]]:
            optimizer.step()
        if (step + 1) % EVERY == 0:
            with torch.no_grad():
                vertices = torch.tensordot(network(speech), mouth, 1)
            error = (vertices - truth)[:, CUE:].square().sum(-1).mean().sqrt().item()
            curve.append((step + 1, 10 * error))
    return curve, parameters(network)


def draw(table: pd.DataFrame, picture: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
    for axis, (condition, part) in zip(axes, table.groupby("condition", sort=False)):
        for color, (kind, of) in zip(("#4477aa", "#ccbb44", "#ee6677", "#aa3377"), part.groupby("kind", sort=False)):
            for number, (_, one) in enumerate(of.groupby("seed")):
                axis.plot(one.step, one.error, color=color, lw=1.2, label=None if number else kind)
        axis.axhline(part.floor.iloc[0], color="black", ls=":", lw=1, label="half the difference of the two styles")
        axis.set(title=condition, xlabel="step", yscale="log")
        axis.legend(fontsize=8)
    axes[0].set_ylabel("training error, mouth vertices, mm")
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    main()
