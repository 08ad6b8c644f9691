"""The files of MemFace's two checkpoints by name. Does not import torch."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from baselines.errors import ModelError
from baselines.memface.variants import VARIANTS

HERE = Path(__file__).parent
Stage = Literal["a2e", "render"]
STAGES: tuple[Stage, ...] = ("a2e", "render")


def file_of(stage: Stage, name: str, weights: Path | None, chosen: str | None = None) -> Path:
    """Return the checkpoint of one stage: `chosen`, else in the weights folder, else the sample checkpoint.

    A variant that differs only in the other stage uses the file of `memface`. Raises ModelError if there is none.
    """
    if chosen is not None:
        file = Path(chosen).expanduser()
        if not file.is_file():
            raise ModelError(f"{name}: {stage}={chosen}: no such file", code="missing-file")
        return file
    own = trained_as(stage, name)
    sample = stage + own.removeprefix("memface").removeprefix(f"-{stage}")
    trained = f"{own}.safetensors"
    places = [] if weights is None else [weights / "memface" / trained, weights / own / trained, weights / trained]
    for file in (*places, HERE / f"{sample}.safetensors"):
        if file.is_file():
            return file
    raise ModelError(
        f"{name} has no weights for {own}: train --model {own}, then {name}?{stage}=FILE; or random ones, "
        f"{name}?weights=untrained",
        code="missing-weights",
    )


def in_words(name: str, weights: Path | None) -> str:
    """Return, in words, what would be loaded for a variant, for lists."""
    try:
        files = [file_of(stage, name, weights) for stage in STAGES]
    except ModelError:
        return "no weights; to be trained"
    if VARIANTS[name].other_memory:
        return "needs memory=FILE"
    return "sample weights" if all(file.parent == HERE for file in files) else " + ".join(map(str, files))


def trained_as(stage: Stage, name: str) -> str:
    """Return the name of one stage of a variant in training: ``memface-a2e``; the variant's own name if it differs."""
    variant = VARIANTS[name]
    return name if (variant.a2e if stage == "a2e" else variant.render) else f"memface-{stage}"
