"""Find the plug-ins of a run besides its models, and their code, for the manifest and the fingerprint."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict

from baselines.code import Code, of_registered
from bench.detectors import registered as detectors
from bench.metrics import registered as metrics
from bench.run.measure import Measurer
from protocols import catalogue, plugins
from protocols.protocol import Protocol
from protocols.resolve import Resolved

WORDING = ("summary", "title", "dataset", "tables", "published", "frozen", "readings")  # changes no number


def codes(resolved: Resolved, measurer: Measurer) -> dict[str, Code]:
    """Return the code of installed plug-ins and of a protocol's file, by kind and name (``metric sharpness``)."""
    return dict(_codes(resolved, measurer))


def _codes(resolved: Resolved, measurer: Measurer) -> Iterator[tuple[str, Code]]:
    protocol = resolved.protocol
    if plugin := plugins.registered("protocol").get(protocol.name):
        yield f"protocol {protocol.name}", of_registered(plugin[0])
    elif protocol.name not in catalogue.names():
        yield f"protocol {protocol.name}", _of_file(protocol)
    for name in resolved.datasets:
        if plugin := plugins.registered("data set").get(name):
            yield f"data set {name}", of_registered(plugin[0])
    for family in dict.fromkeys(definition.family for definition in measurer.definitions):
        if code := metrics.code(family):
            yield f"metric {family}", code
    for kind in dict.fromkeys(definition.detector for definition in measurer.definitions if definition.detector):
        if code := detectors.code(kind):
            yield f"detector {kind}", code


def _of_file(protocol: Protocol) -> Code:
    """Return a protocol's facts as one file with the protocol's name; without comments and wording, sets sorted."""
    facts = {key: value for key, value in asdict(protocol).items() if key not in WORDING}
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=sorted).encode()).hexdigest()
    return Code({f"{protocol.name}.toml": digest[:16]})
