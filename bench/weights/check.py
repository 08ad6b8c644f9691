"""Verify weight files: by their checksum if one is known, else by their content. Nothing in a file is executed."""

from __future__ import annotations

import dataclasses
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open

from baselines import checkpoints
from baselines.card import Card, card
from baselines.checkpoints import Checkpoint, load_flat, looks_like
from baselines.predictor import ModelError
from baselines.registry import network_class
from baselines.unpickling import read_safely
from bench.detectors import arcface, openface
from bench.runtime.errors import UserError
from bench.weights.files import WeightFile
from protocols import files
from protocols.errors import BenchError, first_line

UNKNOWN = "no checksum is known to compare with"
WRONG = "is not the published file"
TORCH_FILES = (".pth", ".pt", ".tar", ".model")


@dataclass(frozen=True)
class Verdict:
    """The result for a file that is not wrong.

    word: "ok" for the published checksum, "own" for a checkpoint that this program wrote, else "unverified": the file
    holds the right networks, but nothing proves that it is the published file. message: in words.
    """

    word: Literal["ok", "own", "unverified"]
    message: str


def verify(file: WeightFile, path: Path) -> Verdict:
    """Return whether the file at `path` is the published one or may be it. Raises UserError or ModelError if wrong."""
    if file.sha256:
        found = files.sha256(path)
        if not found.startswith(file.sha256):
            raise UserError(
                f"{path} {WRONG}: its sha256 is {found}, not {_begins(file.sha256)}",
                code="changed-file",
            )
        return Verdict("ok", f"sha256 {found[:12]}… as stated")
    if file.models:
        return _model(file, path)
    if file.id in ("openface", "arcface"):
        held = _identity(file.id, path)
    elif file.id == "openpose":
        from bench.detectors import openpose

        openpose.read(path)
        held = "holds OpenPose's COCO body network"
    elif file.id == "syncnet":
        from bench.detectors import syncnet

        syncnet.read(path)
        held = "holds the weights of SyncNet"
    elif file.id == "i3d":
        from bench.detectors.networks import published

        published.read("i3d", path)
        held = "holds I3D's 400 classes"
    else:
        held = _opens(path, file.name)
    return Verdict("unverified", f"{held}; {UNKNOWN}")


def damage(path: Path, sha256: str = "") -> str:
    """Return why an installed file cannot be the published one, in words; empty if nothing is wrong with it.

    sha256: the published checksum, or its first digits; without one the file must open in its format. Cheaper than
    `verify`: no network is built, and of an archive only the list of contents is read.
    """
    try:
        if sha256:
            if not (found := files.sha256(path)).startswith(sha256):
                return f"{path} {WRONG}: its sha256 is {found}, not {_begins(sha256)}"
        elif path.suffix in (".json", ".safetensors", ".skops"):
            _opens(path, path.name)
        elif path.suffix in TORCH_FILES and not zipfile.is_zipfile(path):  # a truncated archive is none
            read_safely(path)
    except BenchError as error:
        return str(error)
    except OSError as error:
        return f"{path} cannot be read: {first_line(error)}"
    return ""


def _begins(digits: str) -> str:
    return digits if len(digits) == 64 else f"one that begins with {digits}"


def _model(file: WeightFile, path: Path) -> Verdict:
    abouts = [card(name) for name in file.models]
    if networks := abouts[0].beside.get(file.name):
        return _companion(abouts[0], networks, path)
    errors = []
    for about in abouts:
        try:
            return _networks(file, about, path)
        except ModelError as error:
            errors.append(error)
    raise errors[0]


def _networks(file: WeightFile, about: Card, path: Path) -> Verdict:
    """Fill the model's network with the file, as a run would."""
    checkpoint = checkpoints.load(path, about)
    absent = dict.fromkeys(
        name
        for network, name in about.companions.items()
        if network in about.networks and network not in checkpoint.states
    )
    if absent and looks_like(checkpoint.states) == about.title:
        return Verdict(
            "unverified", f"looks like {about.title}; needs {', '.join(absent)} in the same folder; {UNKNOWN}"
        )
    origin = network_class(about.name)(about, checkpoint, torch.device("cpu")).origin
    held = f"holds the networks of {about.title}"
    if origin.status == "official":
        return Verdict("ok", f"{held}; {origin.note}")
    if file.name in about.files and (origin.status == "sample" or not origin.published_size):
        raise UserError(f"{path} {WRONG}: {held}, {origin.note}", code="changed-file")
    if checkpoint.model is not None:
        return Verdict("own", f"{held}; {origin.note}")
    return Verdict("unverified", f"{held}; {UNKNOWN if origin.published_size else origin.note}")


def _companion(about: Card, networks: tuple[str, ...], path: Path) -> Verdict:
    """Fill the networks that have a file of their own."""
    states, _ = checkpoints.load_beside(path, networks)
    alone = dataclasses.replace(about, networks=networks, optional_networks=())
    whole = network_class(about.name)(about, None, torch.device("cpu")).network
    checkpoints.fill(whole, Checkpoint(path, states, None, {}), alone)
    return Verdict("unverified", f"holds {', '.join(networks)} of {about.title}; {UNKNOWN}")


def _identity(which: str, path: Path) -> str:
    """Run the file's network once, on zeros."""
    title = {"openface": "OpenFace nn4.small2", "arcface": "an ArcFace network"}[which]
    try:
        if which == "openface":
            code, _ = openface.embed(openface.read(path), torch.zeros(1, 3, openface.SIDE, openface.SIDE))
        else:
            code = arcface.embed(arcface.read(path), torch.zeros(1, 3, arcface.SIDE, arcface.SIDE))
    except (KeyError, RuntimeError, TypeError, AttributeError) as error:
        reason = first_line(error)
        raise UserError(f"{path} does not hold the weights of {title}: {reason}", code="other-network") from None
    if not torch.isfinite(code).all():
        raise UserError(f"{path}: its network gives no finite numbers", code="other-network")
    return f"holds the weights of {title}"


def _opens(path: Path, name: str) -> str:
    try:
        if name.endswith(".json"):
            json.loads(path.read_text(encoding="utf-8"))
            return "opens as JSON"
        if name.endswith(".safetensors"):
            with safe_open(path, framework="pt") as opened:
                return f"opens, {len(opened.keys())} tensors"
        if name.endswith(".skops"):
            with zipfile.ZipFile(path) as archive:
                if (damaged := archive.testzip()) or "schema.json" not in archive.namelist():
                    raise UserError(
                        f"{path} is damaged or no skops file" + (f": {damaged}" if damaged else ""),
                        code="unreadable-checkpoint",
                    )
            return "opens as a skops archive"
    except (SafetensorError, OSError, ValueError, zipfile.BadZipFile) as error:
        raise UserError(f"{path} cannot be read: {first_line(error)}", code="unreadable-checkpoint") from None
    return f"opens safely, {len(load_flat(path)[0])} tensors"
