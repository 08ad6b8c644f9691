"""How its golden arrays are recomputed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from baselines.parity import Case, Record
from support.blend.network import Blend


def build(spec: Mapping[str, Any]) -> Blend:
    return Blend(spec["config"])


def compute(net: Blend, case: Case, record: Record) -> None:
    source, driving, _ = case.images()
    record("absolute.prediction", net.generate(source, driving))
