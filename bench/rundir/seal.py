"""The hash that a manifest holds of all else in it, by which a change after the run is seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

SEAL = "sha256"


def sealed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest with the hash of all else that it says."""
    return {**manifest, SEAL: _hash(manifest)}


def intact(manifest: Mapping[str, Any]) -> bool:
    """Whether the manifest says what it said when it was sealed; that of an older run, without a seal, is believed."""
    return SEAL not in manifest or manifest[SEAL] == _hash(manifest)


def _hash(manifest: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in manifest.items() if key != SEAL}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, default=str).encode()).hexdigest()
