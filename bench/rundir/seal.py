"""The hash that a manifest holds of all else in it, by which a change after the run is seen."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from pydantic import JsonValue

from reports.schema.manifest import Manifest

SEAL = "sha256"


def sealed(manifest: Manifest) -> Manifest:
    """The manifest with the hash of all else that it says."""
    return manifest.but(sha256=_hash(manifest.content()))


def intact(manifest: Mapping[str, JsonValue]) -> bool:
    """Whether a file says what it said when it was sealed; that of an older run, without a seal, is believed."""
    return SEAL not in manifest or manifest[SEAL] == _hash(manifest)


def _hash(manifest: Mapping[str, JsonValue]) -> str:
    rest = {key: value for key, value in manifest.items() if key != SEAL}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
