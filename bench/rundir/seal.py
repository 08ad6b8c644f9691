"""The manifest's hash of its own content, which shows a change after the run."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from pydantic import JsonValue

from reports.schema.manifest import Manifest

SEAL = "sha256"


def sealed(manifest: Manifest) -> Manifest:
    """Return the manifest with the hash of all its other entries."""
    return manifest.but(sha256=_hash(manifest.content()))


def intact(manifest: Mapping[str, JsonValue]) -> bool:
    """Return whether a manifest is unchanged since it was sealed; one of an older run, without a seal, is trusted."""
    return SEAL not in manifest or manifest[SEAL] == _hash(manifest)


def _hash(manifest: Mapping[str, JsonValue]) -> str:
    rest = {key: value for key, value in manifest.items() if key != SEAL}
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
