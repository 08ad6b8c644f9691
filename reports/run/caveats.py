"""Caveats above every form of a run's numbers: sample data, sample or unverified weights, subsets, frame sizes."""

from __future__ import annotations

from reports.schema.manifest import ModelEntry, Prepared

USUAL_SIZE = 256  # of published checkpoints, most of which do not state it


def untrained_models(manifest: Prepared) -> list[str]:
    """Return the labels of the models that ran with random weights."""
    return [model.name for model in manifest.models if model.untrained]


def weights_mark(model: ModelEntry) -> str | None:
    """Return the mark of a model's row: "sample weights", "unverified weights", "untrained", or None."""
    if model.untrained:
        return "untrained"
    if model.sample_weights:
        return "sample weights"
    return "unverified weights" if model.weights_status == "unverified" else None


def unverified(manifest: Prepared) -> str | None:
    """Return in words which models ran with weights that are not known to be the published ones; else None."""
    found = [model for model in manifest.models if weights_mark(model) == "unverified weights"]
    return "; ".join(f"{model.name}: {model.weights_file}, {model.weights_note}" for model in found) or None


def subset(manifest: Prepared) -> str | None:
    """Return in words how much of its list a run used, if frames of the rest were missing; else None."""
    origin = manifest.pairs.provenance.at_hand
    if not origin:
        return None
    missing = origin.of_n - origin.n
    return f"{origin.n} of the {origin.of_n} {manifest.unit}s of {manifest.pairs.name}: frames of {missing} are missing"


def jpeg_frames(manifest: Prepared) -> str | None:
    """Return in words which external models' frames were JPEG files, and how many; else None."""
    models = [f"{model.name}: {model.jpeg_frames}" for model in manifest.models if model.jpeg_frames]
    return f"JPEG ({', '.join(models)}): these frames were lossily compressed before measurement" if models else None


def size(model: ModelEntry) -> str | None:
    """Return in words a network's frame size, if it was trained at another one or frames were resized; else None."""
    used, trained = model.frame_size, model.trained_frame_size
    if made := model.output_frame_size:
        gets = f"receives frames resized to {used} pixels; " if model.conventions.get("resize") else ""
        measured = f", resized to the run's size for the metrics ({model.output_filter})" if model.output_filter else ""
        return f"{gets}returns frames of {made} pixels{measured}"
    if model.conventions.get("resize"):
        return f"works at {used} pixels; frames are resized before and after"
    if "trained_frame_size" not in model.model_fields_set or model.untrained or used == (trained or USUAL_SIZE):
        return None
    return f"trained at {trained}, used at {used}" if trained else f"used at {used}; its checkpoint states no size"


def other_sizes(manifest: Prepared) -> str | None:
    """Return `size` of all models in one line; None if no model has one."""
    found = [f"{model.name}: {words}" for model in manifest.models if (words := size(model))]
    return f"FRAME SIZE ({'; '.join(found)}): it changes the numbers" if found else None


def empty_columns(manifest: Prepared) -> list[str]:
    """Return a line for each reason why metrics could not be measured, with their names."""
    names: dict[str, list[str]] = {}
    for metric in manifest.metrics:
        if metric.empty:
            names.setdefault(metric.empty, []).append(metric.name)
    return [f"EMPTY ({', '.join(empty)}): {reason}" for reason, empty in names.items()]


def lines(manifest: Prepared) -> list[str]:
    """Return one line per caveat, the most serious first."""
    found = ["SAMPLE DATA: not comparable with a paper"] if manifest.sample_data else []
    if untrained := untrained_models(manifest):
        found.append(f"UNTRAINED ({', '.join(untrained)}): random weights, the numbers say nothing about the model")
    if samples := [model.name for model in manifest.models if model.sample_weights]:
        found.append(f"SAMPLE WEIGHTS ({', '.join(samples)}): not the published models")
    if sizes := other_sizes(manifest):
        found.append(sizes)
    if unknown := unverified(manifest):
        found.append(f"UNVERIFIED WEIGHTS ({unknown})")
    if lossy := jpeg_frames(manifest):
        found.append(lossy)
    found += empty_columns(manifest)
    if part := subset(manifest):
        found.append(f"SUBSET: {part}; to compare with a run on more {manifest.unit}s, use bench compare")
    return found
