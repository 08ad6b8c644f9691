"""The two stages of MemFace, built from their checkpoints (`files`).

`expression_file` defines the first stage's files. The second stage's files have ``renderer.<key>``, including the
explicit memory, and a configuration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from baselines.checkpoints import check_finite, load_sample
from baselines.errors import ModelError
from baselines.memface import expression_file
from baselines.memface.audio_to_expression import A2EConfig, AudioToExpression, parameters
from baselines.memface.basis import POINTS, MeshComponents
from baselines.memface.files import HERE, STAGES, Stage, file_of
from baselines.memface.renderer import PUBLISHED, ExplicitMemory, Renderer
from baselines.memface.speaker import HeardSpeaker
from baselines.memface.variants import VARIANTS, Variant
from baselines.speech.feature import feature
from baselines.unpickling import one_line
from protocols.cache import cache_folder

OPTIONS = ("a2e", "render", "weights", "speech", "basis", "memory")


@dataclass(frozen=True)
class Loaded:
    """Both stages, and their facts for `Predictor.describe`."""

    speaker: HeardSpeaker
    renderer: Renderer
    facts: dict[str, Any]


def load(name: str, weights: Path | None, options: Mapping[str, str]) -> Loaded:
    """Build a variant from its files.

    Options: ``a2e=FILE`` and ``render=FILE`` instead of the files in the weights folder or the sample checkpoints;
    ``weights=untrained``: random weights of the published size; ``speech=``, as in a training, for precomputed
    features; ``basis=FILE``: a custom basis; ``memory=FILE``: the explicit memory of another checkpoint (supplement
    C.3). Raises ModelError for unusable options or files.
    """
    variant = VARIANTS[name]
    if unknown := sorted(options.keys() - set(OPTIONS)):
        raise ModelError(
            f"{name} has no option {', '.join(unknown)}; it has: {', '.join(OPTIONS)}", code="unknown-option"
        )
    if "weights" in options and options["weights"] != "untrained":
        raise ModelError(
            f"{name} has two files: use a2e=FILE and render=FILE instead of weights=FILE", code="unknown-option"
        )
    if idle := sorted(options.keys() - {"weights", "speech"}) if "weights" in options else None:
        raise ModelError(f"{name}: with weights=untrained {idle[0]}= has no effect", code="unused-option")
    if "weights" in options:
        return _untrained(name, variant, options)
    files = {stage: file_of(stage, name, weights, options.get(stage)) for stage in STAGES}
    speaker, heard = _speaker(files["a2e"], variant, options)
    renderer, drawn = read_renderer(files["render"])
    memory = dict(drawn.get("memory", {}))
    if "memory" in options:
        memory = _swap(name, renderer, Path(options["memory"]))
    elif variant.other_memory:
        raise ModelError(
            f"{name} needs memory=FILE: the renderer's checkpoint of another person, to use its memory",
            code="missing-option",
        )
    facts = {
        **_sizes(name, speaker, renderer, memory),
        **_status(
            files,
            renderer.framing.side != PUBLISHED["view"]["side"]
            or tuple(renderer.config["widths"]) != tuple(PUBLISHED["widths"]),
        ),
        "training": {"a2e": heard, "render": drawn},
    }
    return Loaded(speaker, renderer, facts)


def _speaker(file: Path, variant: Variant, options: Mapping[str, str]) -> tuple[HeardSpeaker, dict[str, Any]]:
    """Return the first stage, and the facts of its training."""
    basis = Path(options["basis"]) if "basis" in options else None
    forget = 0 if variant.forget else None
    found = expression_file.read(file, cache_folder(), speech=options.get("speech"), basis=basis, forget=forget)
    if not found.basis.on_mesh:
        raise ModelError(
            f"the basis {found.basis.name} has another surface; the renderer draws FaceMesh", code="bad-basis"
        )
    return HeardSpeaker(found.network, found.basis, found.feature), found.checkpoint.facts


def read_renderer(path: Path) -> tuple[Renderer, dict[str, Any]]:
    """Build the second stage of a file, and return the facts of its training. Raises ModelError for another file."""
    file = load_sample(path)
    if "renderer" not in file.states or not file.config:
        raise ModelError(f"{path} is not a renderer of MemFace", code="other-network")
    check_finite(path, file.states)
    try:
        renderer = Renderer(file.config)
        state = {key: _full(value) for key, value in file.states["renderer"].items()}
        if isinstance(renderer.memory, ExplicitMemory):
            renderer.memory.fill(state["memory.keys"], state["memory.patches"])
        renderer.load_state_dict(state)
    except (LookupError, TypeError, ValueError, RuntimeError) as error:
        raise ModelError(f"{path}: {one_line(error)}", code="other-network") from None
    return renderer, file.facts


def _full(value: torch.Tensor) -> torch.Tensor:
    """Convert float16 to float32; leave whole numbers unchanged."""
    return value.float() if value.is_floating_point() else value


def _swap(name: str, renderer: Renderer, file: Path) -> dict[str, Any]:
    if not isinstance(renderer.memory, ExplicitMemory):
        raise ModelError(f"{name} has no explicit memory to swap", code="unknown-option")
    if not file.is_file():
        raise ModelError(f"{name}: memory={file}: no such file", code="missing-file")
    other = load_sample(file)
    stored = other.states.get("renderer", {})
    if not {"memory.keys", "memory.patches"} <= stored.keys():
        raise ModelError(f"{name}: memory={file} has no explicit memory", code="other-network")
    check_finite(file, {"renderer": stored})
    if len(stored["memory.keys"]) != len(stored["memory.patches"]):
        raise ModelError(f"{name}: memory={file} has unequal numbers of keys and patches", code="other-network")
    own = {"memory.keys": renderer.memory.keys, "memory.patches": renderer.memory.patches}
    if any(stored[part].shape[1:] != value.shape[1:] for part, value in own.items()):
        raise ModelError(f"{name}: memory={file} has keys or patches of another size", code="other-network")
    renderer.memory.fill(stored["memory.keys"], stored["memory.patches"])
    return {**other.facts.get("memory", {}), "swapped": True}


def _untrained(name: str, variant: Variant, options: Mapping[str, str]) -> Loaded:
    """Return random networks of the published size from a fixed seed; their memory has no faces."""
    heard = feature(options.get("speech", "hama"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = A2EConfig(**{"features": heard.width, **variant.a2e})
        network = AudioToExpression(config)
        renderer = Renderer({**PUBLISHED, **variant.render})
        components = np.random.default_rng(0).normal(scale=0.02, size=(config.coefficients, POINTS, 3))
    speaker = HeardSpeaker(network.eval().requires_grad_(False), MeshComponents(components), heard)
    facts = {
        **_sizes(name, speaker, renderer, {}),
        "weights_status": "untrained",
        "weights_note": "random weights",
        "published_size": True,
        "untrained": True,
    }
    return Loaded(speaker, renderer, facts)


def _sizes(name: str, speaker: HeardSpeaker, renderer: Renderer, memory: Mapping[str, Any]) -> dict[str, Any]:
    parts = {"audio to expression": parameters(speaker.network), "renderer": parameters(renderer)}
    conventions: dict[str, Any] = {"basis": speaker.basis.signature, "speech": speaker.feature.signature}
    if isinstance(renderer.memory, ExplicitMemory):
        conventions["memory"] = {"slots": len(renderer.memory.keys), **memory}
    return {
        "model": "MemFace",
        "variant_of": None if name == "memface" else "memface",
        "parameters": sum(parts.values()),
        "parts": parts,
        "conventions": conventions,
    }


def _status(files: Mapping[Stage, Path], reduced: bool) -> dict[str, Any]:
    shipped = all(file.parent == HERE for file in files.values())
    hashes = [hashlib.sha256(file.read_bytes()).hexdigest() for file in files.values()]
    return {
        "weights_status": "sample" if shipped else "unverified",
        "weights_note": "trained on the sound set" if shipped else "trained with this program",
        "sample_weights": shipped,
        "published_size": not reduced,
        "weights_file": " + ".join(file.name for file in files.values()),
        "weights_sha256": hashlib.sha256("".join(hashes).encode()).hexdigest(),
    }
