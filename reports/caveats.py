"""What stands over every form of a run's numbers: why they may not be what a reader would take them for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def untrained_models(manifest: Mapping[str, Any]) -> list[str]:
    """Labels of the models that ran with random weights."""
    return [model["name"] for model in manifest["models"] if model.get("untrained")]


def subset(manifest: Mapping[str, Any]) -> str | None:
    """In words how much of its list a run asked, where frames of the rest were not on the machine; else None."""
    origin = manifest["pairs"].get("provenance", {}).get("at_hand")
    if not origin:
        return None
    missing = origin["of_n"] - origin["n"]
    return (
        f"{origin['n']} of the {origin['of_n']} pairs of {manifest['pairs']['name']}: frames of {missing} are missing"
    )


def jpeg_frames(manifest: Mapping[str, Any]) -> str | None:
    """In words which outside models' frames came as JPEG, and how many; else None."""
    models = [f"{model['name']}: {model['jpeg_frames']}" for model in manifest["models"] if model.get("jpeg_frames")]
    return f"JPEG ({', '.join(models)}): frames were compressed with loss before they were measured" if models else None


def lines(manifest: Mapping[str, Any]) -> list[str]:
    """One line a caveat, the gravest first."""
    found = ["SAMPLE DATA: not comparable with a paper"] if manifest["sample_data"] else []
    if untrained := untrained_models(manifest):
        found.append(f"UNTRAINED ({', '.join(untrained)}): random weights, these rows say nothing about any model")
    if samples := [model["name"] for model in manifest["models"] if model.get("sample_weights")]:
        found.append(f"SAMPLE WEIGHTS ({', '.join(samples)}): not the published models")
    if lossy := jpeg_frames(manifest):
        found.append(lossy)
    if part := subset(manifest):
        found.append(f"SUBSET: {part}; to compare with a run on more pairs, use bench compare")
    return found
