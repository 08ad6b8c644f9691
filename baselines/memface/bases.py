"""Bases by name: for a training's option, and from a checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from baselines.errors import ModelError
from baselines.memface.basis import WIDTH, Basis, MeshComponents

MESH, ARKIT = "facemesh", "arkit"


def fitted(what: str, clips: Iterable[np.ndarray], cache: Path, width: int = WIDTH) -> Basis:
    """Return the basis for a training.

    what: ``facemesh``, principal components of these clips (`MeshComponents.fit`); ``arkit``; or a custom file
    (`baselines.memface.basis_file`). cache: a folder for fetched files. width: of ``facemesh``.
    Raises ModelError for another name or an unusable file.
    """
    if what == MESH:
        return MeshComponents.fit(clips, width)
    if what == ARKIT:
        from baselines.memface.arkit import arkit

        return arkit(cache)
    if what.endswith(".npz"):
        from baselines.memface.basis_file import BasisFile

        return BasisFile(Path(what))
    raise ModelError(f"basis {what}: not {MESH}, {ARKIT} or an .npz file", code="unknown-choice")


def kept(name: str, tensors: Mapping[str, Tensor], cache: Path, file: Path | None = None) -> Basis:
    """Return the basis of a checkpoint: from its tensors, from a fetched file, or from the user's file.

    name: as `Basis.name`. Raises ModelError if the user's file is missing or another one.
    """
    own = "components" in tensors
    if file is not None and (own or name.startswith(f"{ARKIT}-")):
        raise ModelError(f"the checkpoint has the basis {name}: {file} has no effect", code="unused-option")
    if own:
        return MeshComponents(tensors["components"].double().numpy())
    if file is None and name.startswith(f"{ARKIT}-"):
        return fitted(ARKIT, (), cache)
    if file is None:
        raise ModelError(
            f"the basis {name} is a file outside the checkpoint: give it with basis=FILE", code="bad-basis"
        )
    basis = fitted(str(file), (), cache)
    if basis.name != name:
        raise ModelError(f"{file} is the basis {basis.name}; the checkpoint is for {name}", code="bad-basis")
    return basis
