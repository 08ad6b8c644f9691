"""From generated frames and their references to one number a pair and metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bench import metrics
from bench.detectors import DetectorSet, guard
from bench.detectors.base import Detection, as_array
from bench.metrics import families
from bench.metrics.base import Definition, as_images
from bench.metrics.signature import short
from bench.runtime.errors import UserError
from reports.schema.manifest import DetectorEntry, MetricEntry


class Measurer:
    """The metrics of one run.

    names: metric families or single definitions.
    choice: the detectors that the run uses.
    reference: ``same-identity`` or ``cross-identity``, which decides the reference frame.
    as_published: take what the authors' scripts computed; frames are then to be truncated (`truncate`), not rounded.
    """

    def __init__(
        self,
        names: Sequence[str],
        choice: DetectorSet,
        reference: str,
        device: torch.device,
        as_published: bool = False,
    ):
        self.choice = choice
        self.reference = reference
        self.device = device
        self.truncate = as_published
        self.asked = (metrics.published if as_published else metrics.resolve)(names, choice)
        self._roles = {one.name: role for one in self.asked if (role := one.role(reference))}
        self.definitions = [definition for definition in self.asked if definition.name in self._roles]
        self.empty = metrics.empty(names, choice)
        if not self.definitions and self.empty:
            raise UserError(
                "; ".join(f"{name} cannot be measured: {reason}" for name, reason in self.empty.items()),
                code="no-metric",
            )
        if not self.definitions:
            raise UserError(f"none of {', '.join(names)} applies to {reference} pairs", code="no-metric")

    def measure(self, frames: np.ndarray, references: Mapping[str, np.ndarray]) -> pd.DataFrame:
        """Columns ``<metric>`` (float64, NaN where it failed) and ``<metric>.reason`` (text or None), a row a frame.

        frames: uint8 ``(N, H, W, 3)``. references: the same by role: ``source``, ``driving``, ``target``.
        """
        values = self._images(frames, references)
        found: dict[tuple[str, str], list[Detection]] = {}
        columns: dict[str, Any] = {}
        for definition in self.definitions:
            role = self._roles[definition.name]
            reasons: list[str | None] = [None] * len(frames)
            if kind := definition.detector:
                for name, images in (("generated", frames), (role, references[role])):
                    if (kind, name) not in found:
                        found[kind, name] = guard.detect(self.choice[kind], images)
                pair = [found[kind, name] for name in ("generated", role)]
                shape = self.choice[kind].shape
                values[definition.name] = definition.compute(*(torch.from_numpy(as_array(d, shape)) for d in pair))
                reasons = [_reason(role, *detections) for detections in zip(*pair)]
            column = values[definition.name].numpy()
            missing = np.isnan(column)
            columns[definition.name] = column
            columns[f"{definition.name}.reason"] = pd.Series(
                [(reason or "no value") if gone else None for reason, gone in zip(reasons, missing)], dtype="str"
            )
        return pd.DataFrame(columns)

    def columns(self) -> pd.DataFrame:
        """The columns of `measure`, without rows."""
        names = [definition.name for definition in self.definitions]
        kinds = {column: kind for name in names for column, kind in ((name, "float64"), (f"{name}.reason", "str"))}
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})

    def reason_columns(self) -> list[str]:
        """The names of the columns that say why a metric has no value."""
        return [f"{definition.name}.reason" for definition in self.definitions]

    def describe_metrics(self) -> list[MetricEntry]:
        """The manifest's entries of the metrics, those included that do not apply to this protocol's pairs."""
        empty = [self._describe(metrics.get(name)).but(empty=reason) for name, reason in self.empty.items()]
        return [self._describe(definition) for definition in self.asked] + empty

    def describe_detectors(self) -> list[DetectorEntry]:
        """The manifest's entries of the detectors that the metrics use."""
        kinds = dict.fromkeys(definition.detector for definition in self.definitions if definition.detector)
        used = [self.choice[kind] for kind in kinds]
        return [DetectorEntry(kind=d.kind, name=d.name, signature=d.signature, proxy=d.proxy) for d in used]

    def _describe(self, definition: Definition) -> MetricEntry:
        empty = definition.name in self.empty
        detector = self.choice[definition.detector].signature if definition.detector and not empty else None
        role = None if empty else definition.role(self.reference)
        signature = f"{definition.signature('none' if empty else detector)}|against:{role}"
        return MetricEntry(
            name=definition.name,
            family=definition.family,
            version=definition.version,
            higher_is_better=definition.higher_is_better,
            unit=definition.unit,
            against=role or definition.against,
            detector=definition.detector,
            proxy=definition.proxy,
            signature=signature,
            short=short(signature),
            summary=definition.summary,
            applies=role is not None,
            **families.facts(metrics.family(definition.family), definition.unit),
        )

    def _images(self, frames: np.ndarray, references: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        chosen = [definition for definition in self.definitions if definition.detector is None]
        if not chosen:
            return {}
        return metrics.compute_images(
            chosen, as_images(frames, self.device), as_images(references["target"], self.device)
        )


def _reason(role: str, generated: Detection, reference: Detection) -> str | None:
    """Why a pair has no value: what the detector said of the generated frame, else of the reference."""
    if generated.reason:
        return f"generated frame: {generated.reason}"
    return f"{role} frame: {reference.reason}" if reference.reason else None
