"""What stands over every form of a run's numbers: why they may not be what a reader would take them for."""

from __future__ import annotations

from reports.schema.manifest import ModelEntry, Prepared

USUAL_SIZE = 256  # of published checkpoints, most of which do not say it


def untrained_models(manifest: Prepared) -> list[str]:
    """Labels of the models that ran with random weights."""
    return [model.name for model in manifest.models if model.untrained]


def weights_mark(model: ModelEntry) -> str | None:
    """What stands at a model's row in every table: "sample weights", "unverified weights", "untrained"; else None."""
    if model.untrained:
        return "untrained"
    if model.sample_weights:
        return "sample weights"
    return "unverified weights" if model.weights_status == "unverified" else None


def unverified(manifest: Prepared) -> str | None:
    """In words which models ran with weights of which nobody knows that they are the published ones; else None."""
    found = [model for model in manifest.models if weights_mark(model) == "unverified weights"]
    return "; ".join(f"{model.name}: {model.weights_file}, {model.weights_note}" for model in found) or None


def subset(manifest: Prepared) -> str | None:
    """In words how much of its list a run asked, where frames of the rest were not on the machine; else None."""
    origin = manifest.pairs.provenance.at_hand
    if not origin:
        return None
    missing = origin.of_n - origin.n
    return f"{origin.n} of the {origin.of_n} {manifest.unit}s of {manifest.pairs.name}: frames of {missing} are missing"


def jpeg_frames(manifest: Prepared) -> str | None:
    """In words which outside models' frames came as JPEG, and how many; else None."""
    models = [f"{model.name}: {model.jpeg_frames}" for model in manifest.models if model.jpeg_frames]
    return f"JPEG ({', '.join(models)}): frames were compressed with loss before they were measured" if models else None


def size(model: ModelEntry) -> str | None:
    """In words which frames a network worked on, where it was trained on others or they were resized; else None."""
    used, trained = model.frame_size, model.trained_frame_size
    if made := model.output_frame_size:
        sees = f"sees frames of {used} pixels, resized from the given ones; " if model.conventions.get("resize") else ""
        measured = f", brought to the given size to be measured ({model.output_filter})" if model.output_filter else ""
        return f"{sees}makes frames of {made} pixels{measured}"
    if model.conventions.get("resize"):
        return f"sees and makes frames of {used} pixels, resized from and to the given ones"
    if "trained_frame_size" not in model.model_fields_set or model.untrained or used == (trained or USUAL_SIZE):
        return None
    return f"checkpoint of {trained} used at {used}" if trained else f"used at {used}; its checkpoint names no size"


def other_sizes(manifest: Prepared) -> str | None:
    """`size` of all models in one line; None where there is nothing to say."""
    found = [f"{model.name}: {said}" for model in manifest.models if (said := size(model))]
    return f"FRAME SIZE ({'; '.join(found)}): it moves the numbers" if found else None


def empty_columns(manifest: Prepared) -> list[str]:
    """A line for each reason why metrics could not be measured, with their names."""
    names: dict[str, list[str]] = {}
    for metric in manifest.metrics:
        if metric.empty:
            names.setdefault(metric.empty, []).append(metric.name)
    return [f"EMPTY ({', '.join(empty)}): {reason}" for reason, empty in names.items()]


def lines(manifest: Prepared) -> list[str]:
    """One line a caveat, the gravest first."""
    found = ["SAMPLE DATA: not comparable with a paper"] if manifest.sample_data else []
    if untrained := untrained_models(manifest):
        found.append(f"UNTRAINED ({', '.join(untrained)}): random weights, these rows say nothing about any model")
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
