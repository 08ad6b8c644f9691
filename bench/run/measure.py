"""Measure generated frames against their references: one number per pair and metric."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from bench import metrics
from bench.detectors import DetectorSet, guard
from bench.detectors.base import Detection, as_array
from bench.metrics import families
from bench.metrics.base import GENERATED, Definition, Role, as_images
from bench.metrics.clips.base import ClipDefinition
from bench.metrics.clips.chosen import feature, left_out, resolve_clips
from bench.metrics.sets import chosen as sets_chosen
from bench.metrics.sets.base import SetDefinition
from bench.metrics.shapes import split
from bench.metrics.signature import short
from bench.run.set_features import FrameFeatures
from bench.runtime.errors import UserError
from reports.schema.manifest import DetectorEntry, MetricEntry


class Measurer:
    """The metrics of one run.

    names: metric families or single definitions.
    choice: the detectors that the run uses.
    reference: ``same-identity`` or ``cross-identity``, which decides the reference frame.
    as_published: compute what the authors' scripts compute; frames must then be truncated (`truncate`), not rounded.
    clips: whether the run is of whole clips, so that clip metrics apply (`clip_definitions`).
    roles: the available references (`Protocol.roles`).
    """

    def __init__(
        self,
        names: Sequence[str],
        choice: DetectorSet,
        reference: str,
        device: torch.device,
        as_published: bool = False,
        clips: bool = False,
        roles: Collection[str] | None = None,
    ):
        self.choice = choice
        self.reference, self.roles, self.of_clips = reference, roles, clips
        self.device = device
        self.truncate = as_published
        requested = names
        names, of_clips, of_sets = split(names)
        if of_clips and not clips:
            raise UserError(
                f"{', '.join(of_clips)}: a metric of whole clips, and this protocol is of single frames "
                "(`bench list protocols`)",
                code="no-metric",
            )
        self.clip_definitions = resolve_clips(of_clips, choice, reference, roles)
        real = sets_chosen.real_side(reference, roles)
        self.set_definitions = sets_chosen.resolve_sets(of_sets, choice, clips, real)
        self.real: sets_chosen.Role = real or "target"  # unused without definitions of sets
        alone = {one.kind for one in self.set_definitions if one.window == 1}
        self.frame_features = FrameFeatures(choice, sorted(alone)) if alone else None
        self.requested = (metrics.published if as_published else metrics.resolve)(names, choice)
        self._roles = {one.name: role for one in self.requested if (role := self._role(one))}
        self.definitions = [definition for definition in self.requested if definition.name in self._roles]
        self.empty = metrics.empty(names, choice)
        if not self.definitions and self.empty:
            raise UserError(
                "; ".join(f"{name} cannot be measured: {reason}" for name, reason in self.empty.items()),
                code="no-metric",
            )
        if not (self.definitions or self.clip_definitions or self.set_definitions):
            why = left_out(of_clips, choice, reference, roles) + sets_chosen.sets_left_out(of_sets, choice, clips, real)
            line = f"none of {', '.join(requested)} applies to {reference} {'clips' if clips else 'pairs'}"
            raise UserError("; ".join([line, *why]), code="no-metric")

    def measure(self, frames: np.ndarray, references: Mapping[str, np.ndarray]) -> pd.DataFrame:
        """Return the pair metrics of frames; `measure_and_detect` describes the columns.

        frames: uint8 ``(N, H, W, 3)``. references: the same by role: ``source``, ``driving``, ``target``.
        """
        return self.measure_and_detect({**references, GENERATED: frames}, {})[0]

    def measure_and_detect(
        self, images: Mapping[str, np.ndarray], also: Mapping[str, Sequence[str]]
    ) -> tuple[pd.DataFrame, dict[tuple[str, str], np.ndarray]]:
        """Return the pair metrics of frames, and the detections.

        images: uint8 ``(N, H, W, 3)`` by role: ``generated``, ``source``, ``driving``, ``target``.
        also: role to kinds of detectors, in addition to those of the metrics.
        Columns ``<metric>`` (float64, NaN where it failed) and ``<metric>.reason`` (text or None), a row per frame;
        and by kind and role float64 ``(N, *shape)``, NaN where nothing was found.
        """
        values = self._images(images)
        found: dict[tuple[str, str], list[Detection]] = {}

        def detected(kind: str, role: str) -> list[Detection]:
            if (kind, role) not in found:
                found[kind, role] = guard.detect(self.choice[kind], images[role])
            return found[kind, role]

        columns: dict[str, Any] = {}
        for definition in self.definitions:
            role = self._roles[definition.name]
            reasons: list[str | None] = [None] * len(images[GENERATED])
            if kind := definition.detector:
                pair = [detected(kind, name) for name in (GENERATED, role)]
                shape = self.choice[kind].shape
                values[definition.name] = definition.compute(*(torch.from_numpy(as_array(d, shape)) for d in pair))
                reasons = [_reason(role, *detections) for detections in zip(*pair)]
            column = values[definition.name].numpy()
            missing = np.isnan(column)
            columns[definition.name] = column
            columns[f"{definition.name}.reason"] = pd.Series(
                [(reason or "no value") if absent else None for reason, absent in zip(reasons, missing)], dtype="str"
            )
        wanted = {(kind, role) for role, kinds in also.items() for kind in kinds}
        arrays = {(kind, role): as_array(detected(kind, role), self.choice[kind].shape) for kind, role in wanted}
        return pd.DataFrame(columns, index=range(len(images[GENERATED]))), arrays

    def columns(self) -> pd.DataFrame:
        """Return the columns of `measure`, without rows."""
        names = [definition.name for definition in self.definitions]
        kinds = {column: kind for name in names for column, kind in ((name, "float64"), (f"{name}.reason", "str"))}
        if self.frame_features:
            kinds |= dict.fromkeys(self.frame_features.columns, "object")
        return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})

    def reason_columns(self) -> list[str]:
        """Return the names of the columns with the reason for a missing value."""
        return [f"{definition.name}.reason" for definition in self.definitions]

    def describe_metrics(self) -> list[MetricEntry]:
        """Return the manifest's entries of the metrics, including those that do not apply to this protocol's pairs."""
        empty = [self._describe(metrics.get(name)).but(empty=reason) for name, reason in self.empty.items()]
        of_clips = [self._describe_clip(definition) for definition in self.clip_definitions]
        of_sets = [self._describe_set(definition) for definition in self.set_definitions]
        return [self._describe(definition) for definition in self.requested] + empty + of_clips + of_sets

    def describe_detectors(self) -> list[DetectorEntry]:
        """Return the manifest's entries of the detectors that the metrics use."""
        kinds = dict.fromkeys(definition.detector for definition in self.definitions if definition.detector)
        kinds |= dict.fromkeys(kind for definition in self.clip_definitions for kind in definition.kinds)
        kinds |= dict.fromkeys(definition.kind for definition in self.set_definitions)
        used = [self.choice[kind] for kind in kinds]
        return [DetectorEntry(kind=d.kind, name=d.name, signature=d.signature, proxy=d.proxy) for d in used]

    @property
    def window_lengths(self) -> dict[str, int]:
        """Return, by kind of detector, the number of frames in the windows of set metrics."""
        return {one.kind: one.window for one in self.set_definitions if one.window > 1}

    def _role(self, definition: Definition) -> Role | None:
        """Return the role of the frame that a definition compares the generated frame with here; None without one."""
        role = definition.role(self.reference)
        if self.roles is None or role is None:
            return role
        role = "source" if definition.against == "source" and "source" in self.roles else role
        return role if role in self.roles else None

    def _describe(self, definition: Definition) -> MetricEntry:
        empty = definition.name in self.empty
        detector = self.choice[definition.detector].signature if definition.detector and not empty else None
        role = None if empty else self._role(definition)
        signature = f"{definition.signature('none' if empty else detector)}|against:{role}"
        signature += "|per:clip-mean-of-finite" if self.of_clips else ""
        return _entry(
            definition,
            signature,
            against=role or definition.against,
            detector=definition.detector,
            applies=role is not None,
        )

    def _describe_clip(self, definition: ClipDefinition) -> MetricEntry:
        parts = {kind: self.choice[kind].signature for kind in definition.kinds}
        parts |= {name: feature(name, self.choice.weights).signature for name in definition.features}
        signature = f"{definition.signature(parts)}|against:{definition.against}"
        against = None if definition.against == "none" else definition.against
        detector = next(iter(definition.kinds), None)
        return _entry(
            definition, signature, shape="clip", against=against, detector=detector, extra=dict(definition.extra)
        )

    def _describe_set(self, definition: SetDefinition) -> MetricEntry:
        signature = definition.signature(self.choice[definition.kind].signature, self.of_clips)
        signature = f"{signature}|against:{self.real}"
        return _entry(definition, signature, shape="set", against=self.real, detector=definition.kind)

    def _images(self, images: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
        chosen = [definition for definition in self.definitions if definition.detector is None]
        if not chosen:
            return {}
        return metrics.compute_images(
            chosen, as_images(images[GENERATED], self.device), as_images(images["target"], self.device)
        )


def _entry(definition: Definition | ClipDefinition | SetDefinition, signature: str, **facts: Any) -> MetricEntry:
    """Return the manifest's entry of a definition. facts: those that depend on its shape."""
    return MetricEntry(
        name=definition.name,
        family=definition.family,
        version=definition.version,
        higher_is_better=definition.higher_is_better,
        unit=definition.unit,
        proxy=definition.proxy,
        signature=signature,
        short=short(signature),
        summary=definition.summary,
        **facts,
        **families.facts(metrics.family(definition.family), definition.unit),
    )


def _reason(role: str, generated: Detection, reference: Detection) -> str | None:
    """Return why a pair has no value: the detector's reason for the generated frame, else for the reference."""
    if generated.reason:
        return f"generated frame: {generated.reason}"
    return f"{role} frame: {reference.reason}" if reference.reason else None
