"""All definitions of metrics of sets, in the order of a run's columns."""

from __future__ import annotations

from bench.metrics.sets.base import SetDefinition

SET_DEFINITIONS: dict[str, SetDefinition] = {}
