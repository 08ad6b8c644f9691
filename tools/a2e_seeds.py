"""MemFace's audio to expression on the sound set, with and without memories: a table over seeds.

    python tools/a2e_seeds.py OUT [--seeds 3] [--models memface-a2e,memface-no-implicit,memface-explicit-a2e]

Each model is trained and adapted by `python -m bench train` in its own folder below OUT, and predicts the test seconds;
a finished training is not repeated. Faces are compared, not pictures: vertices of the meshes of the test, with the
formulas of `rmse-facemesh` and `lip-opening-corr`; also with noise instead of the trained memory.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from baselines.facemesh.canonical import mouth
from baselines.memface import expression_file
from baselines.memface.audio_to_expression import parameters, stream
from baselines.memface.expression_file import Expression
from baselines.memface.memory import ImplicitMemory
from baselines.memface.training.takes import Take, take
from bench.detectors.mesh68 import POINTS
from bench.metrics.clips.speaking import lip_opening
from bench.runtime.config import cache_folder
from bench.training.memface_a2e import train
from protocols import sound_set

MODELS = "memface-a2e,memface-no-implicit,memface-explicit-a2e"
Scores = dict[str, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--models", default=MODELS)
    parser.add_argument("--speech", default="log-mel")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    seen = {use: _stretch("adaptation", use) for use in ("adapt", "test")}
    trained = _stretch("adaptation", "train")
    own = seen["adapt"].aligned
    other = own.mean(0) + trained.aligned - trained.aligned.mean(0)
    count = len(seen["test"].times)
    rows = [{"model": "template's mouth", "stage": "", **scores(own[:count], seen["test"])}]
    rows += [{"model": "another clip's mouth", "stage": "", **scores(other[:count], seen["test"])}]
    rows += [
        {"model": "the person's mean face", "stage": "", **scores(own.mean(0)[None].repeat(count, 0), seen["test"])}
    ]
    for model in asked.models.split(","):
        for seed in range(asked.seeds):
            for stage, file in _files(asked.out / f"{model}-{asked.speech}-{seed}", model, seed, asked.speech):
                found = expression_file.read(file, cache_folder())
                facts = {"stage": stage, "seed": seed, "parameters": parameters(found.network)}
                own_scores = scores(said(found, seen["test"], own), seen["test"])
                learned = scores(said(found, trained, trained.aligned), trained)
                rows.append({"model": model, **facts, **own_scores, "training rmse": learned["rmse"]})
                if isinstance(found.network.memory, ImplicitMemory):
                    noise = expression_file.read(file, cache_folder(), forget=seed)
                    rows.append(
                        {"model": f"{model}, noise", **facts, **scores(said(noise, seen["test"], own), seen["test"])}
                    )
                print(model, stage, seed, own_scores, flush=True)
    table = pd.DataFrame(rows)
    table.to_csv(asked.out / "seeds.csv", index=False)
    numbers = table.drop(columns="seed").groupby(["model", "stage"], sort=False)
    print(numbers.mean().round(3).to_string())
    print(numbers.agg(["min", "max"]).round(3).to_string())


def scores(faces: np.ndarray, of: Take) -> Scores:
    """Score faces ``(n, 468, 3)`` in cm against those of a take."""
    gaps = (faces - of.aligned)[:, mouth()]
    made, truth = (lip_opening(one[:, list(POINTS), :2]) for one in (faces, of.aligned))
    still = made.std() < 1e-9
    return {
        "rmse": float(np.sqrt(np.mean(np.square(gaps)))),
        "lips": float("nan") if still else float(np.corrcoef(made, truth)[0, 1]),
    }


def said(found: Expression, of: Take, person: np.ndarray) -> np.ndarray:
    """Predict the faces ``(n, 468, 3)`` of a take's sound; person: meshes that determine the person's shape."""
    heard = torch.from_numpy(found.feature.rows(of.sound, of.times))
    coefficients = torch.cat(list(stream(found.network, [heard]))).double().numpy()
    return found.basis.vertices(coefficients, found.basis.person(person))


def _files(place: Path, model: str, seed: int, speech: str) -> Iterator[tuple[str, Path]]:
    both = {"model": model, "seed": seed, "threads": 1}
    first = place / "trained" / f"{model}.safetensors"
    if not first.is_file():
        train({**both, "out": first.parent, "speech": speech})
    yield "trained", first
    second = place / "adapted" / f"{model}.safetensors"
    if not second.is_file():
        train({**both, "out": second.parent, "adapt": "talk_b", "init_from": first})
    yield "adapted", second


def _stretch(strategy: str, use: str) -> Take:
    clip, start, end, _ = next(one for one in sound_set.recipe()[strategy] if one[3] == use)
    return take(sound_set.ensure(cache_folder()) / clip, cache_folder(), start, end)


if __name__ == "__main__":
    main()
