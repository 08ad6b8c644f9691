"""Everything that is known about a metric family, in one place.

Definitions, pages, the drift check and intervals read it; a run's manifest carries it to the reports.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

SHARE = (0.0, 1.0)
DISTANCE = (0.0, math.inf)
COSINE = (-1.0, 1.0)
ANY = (-math.inf, math.inf)


@dataclass(frozen=True)
class Scale:
    """Decimals and tolerances of numbers in one unit.

    decimals: in tables. exact, statistical: how much a single pair may move in exact mode, and the mean in statistical
        mode, before `bench check` reports drift, unless the reference file says otherwise. None where nobody measured
        how much rounding alone moves; a share of the values is used then.
    """

    decimals: int
    exact: float | None = None
    statistical: float | None = None


@dataclass(frozen=True)
class Family:
    """A metric of the papers, with all of its definitions.

    page: its page in ``bench/metrics/explain``, shared by related families. higher_is_better: direction.
    bounds: of a value; intervals of means are clipped to them. units: unit ("" for none) to its `Scale`, the family's
        own unit first. version: raised whenever a change of the code can change its numbers; part of every signature.
        reference_library: what the papers or this project's tests compute it with. package: optional package that the
        papers' own detector or network needs. companions: families that are computed along with it. shape: what one
        value describes: a pair of frames, a whole clip, or all output of a model.
    """

    name: str
    page: str
    higher_is_better: bool
    bounds: tuple[float, float]
    units: Mapping[str, Scale]
    version: int = 1
    reference_library: str = ""
    package: str = ""
    companions: tuple[str, ...] = ()
    shape: Literal["pair", "clip", "set"] = "pair"

    @property
    def unit(self) -> str:
        """Return the unit of those definitions that name no other."""
        return next(iter(self.units))


# In the order of the papers' tables. Exact tolerances are several times what rounding alone moved (docs/drift.md).
# Landmarks jump where the last bit of a pixel changes a branch of a tree, so their tolerances are wide.
_FAMILIES = (
    Family("ssim", "ssim", True, COSINE, {"": Scale(3, 3e-5, 2e-3)}, version=2, reference_library="scikit-image"),
    Family("psnr", "psnr", True, ANY, {"dB": Scale(2, 2e-3, 0.05)}, reference_library="scikit-image"),
    Family("lpips", "lpips", False, DISTANCE, {"": Scale(3, 5e-5, 2e-3)}, reference_library="lpips", package="lpips"),
    Family("l1", "l1", False, SHARE, {"": Scale(4, 3e-6, 5e-4)}, reference_library="numpy"),
    Family(
        "akd",
        "akd",
        False,
        DISTANCE,
        {"px": Scale(3, 0.2, 0.1), "eyes": Scale(4, 4e-3, 2e-3)},  # about 60 px between the eyes
        reference_library="face-alignment",
        package="face-alignment",
        companions=("mkr",),
    ),
    Family("mkr", "akd", False, SHARE, {"share": Scale(3, 0.0, 0.01)}, reference_library="face-alignment"),
    Family("aed", "aed", False, DISTANCE, {"": Scale(3, 0.01, 5e-3)}, reference_library="openface"),
    Family("csim", "aed", True, COSINE, {"": Scale(3, 5e-3, 2.5e-3)}, reference_library="arcface"),
    # One unit of five may flip; of a single unit a pair has 0 or 1.
    Family(
        "aucon", "aucon", True, SHARE, {"share": Scale(3, 0.21, 0.02)}, reference_library="py-feat", package="py-feat"
    ),
    Family("aucon-units", "aucon", True, SHARE, {"share": Scale(3, 1.0, 0.05)}, reference_library="py-feat"),
    Family(
        "prmse",
        "prmse",
        False,
        DISTANCE,
        {"deg": Scale(2, 2.0, 0.1), "rad": Scale(4, 0.035, 2e-3)},
        reference_library="py-feat",
        package="py-feat",
    ),
    Family("prmse-angles", "prmse", False, DISTANCE, {"deg": Scale(2, 3.5, 0.15)}, reference_library="py-feat"),
    Family("akd-body", "akd-body", False, DISTANCE, {"px": Scale(3)}, reference_library="openpose"),
    Family(
        "mkr-body", "akd-body", False, SHARE, {"share": Scale(3, 0.0, 0.01)}, reference_library="openpose"
    ),  # as for faces
    Family("aed-body", "akd-body", False, DISTANCE, {"": Scale(3)}),
    Family(
        "lip-sync",
        "lip-sync",
        True,
        DISTANCE,
        {"": Scale(3)},
        reference_library="syncnet_python",
        companions=("sync-d", "av-offset"),
        shape="clip",
    ),
    Family("sync-d", "lip-sync", False, DISTANCE, {"": Scale(3)}, reference_library="syncnet_python", shape="clip"),
    Family(
        "av-offset",
        "lip-sync",
        False,
        (0.0, 15.0),
        {"frames": Scale(1)},
        reference_library="syncnet_python",
        shape="clip",
    ),
    Family("lse-c", "lip-sync", True, DISTANCE, {"": Scale(3)}, reference_library="Wav2Lip", shape="clip"),
    Family("lse-d", "lip-sync", False, DISTANCE, {"": Scale(3)}, reference_library="Wav2Lip", shape="clip"),
    Family("lip-labial-auc", "lip-lag", True, SHARE, {"share": Scale(3)}, package="hama", shape="clip"),
    Family("lip-lag-corr", "lip-lag", True, COSINE, {"": Scale(3)}, package="hama", shape="clip"),
    Family("lip-lag", "lip-lag", False, (0.0, 0.6), {"s": Scale(2)}, package="hama", shape="clip"),
    Family("lmd", "landmark-distance", False, DISTANCE, {"px": Scale(3), "eyes": Scale(4)}, shape="clip"),
    Family("vertex-rmse", "mouth-motion", False, DISTANCE, {"cm": Scale(4)}, shape="clip"),
    Family("lip-correlation", "mouth-motion", True, COSINE, {"": Scale(3)}, shape="clip"),
    Family("id-source", "identity-over-time", True, COSINE, {"": Scale(3)}, shape="clip"),
    Family("id-consecutive", "identity-over-time", True, COSINE, {"": Scale(4)}, shape="clip"),
    Family("id-drift", "identity-over-time", True, ANY, {"a minute": Scale(3)}, shape="clip"),
    Family("pose-distance", "motion", False, DISTANCE, {"deg": Scale(2)}, shape="clip"),
    Family("landmark-velocity", "motion", False, DISTANCE, {"px/s": Scale(2)}, shape="clip"),
    Family("jitter", "motion", False, DISTANCE, {"ratio": Scale(3)}, shape="clip"),
    Family("dynamic-degree", "motion", True, DISTANCE, {"px": Scale(2)}, shape="clip"),
    Family("blink-rate", "eyes", False, DISTANCE, {"a minute": Scale(1)}, shape="clip"),
    Family("blink-duration", "eyes", False, DISTANCE, {"s": Scale(3)}, shape="clip"),
    Family("blinks", "eyes", True, DISTANCE, {"a minute": Scale(1)}, shape="clip"),
    Family("lid-error", "eyes", False, DISTANCE, {"": Scale(4)}, shape="clip"),
    Family("gaze-error", "eyes", False, (0.0, 180.0), {"deg": Scale(2)}, shape="clip"),
    Family("sharpness", "stability", True, DISTANCE, {"ratio": Scale(3)}, shape="clip"),
    Family("flicker", "stability", False, SHARE, {"": Scale(4)}, shape="clip"),
    Family("warping-error", "stability", False, DISTANCE, {"": Scale(5)}, shape="clip"),
    Family("brisque", "quality", False, ANY, {"": Scale(2)}, reference_library="pyiqa", shape="clip"),
    Family("niqe", "quality", False, DISTANCE, {"": Scale(3)}, reference_library="basicsr", shape="clip"),
    Family("cpbd", "quality", True, SHARE, {"share": Scale(3)}, reference_library="cpbd", shape="clip"),
    Family("fid", "sets", False, DISTANCE, {"": Scale(2)}, reference_library="scipy", companions=("kid",), shape="set"),
    Family("kid", "sets", False, ANY, {"": Scale(4)}, reference_library="numpy", shape="set"),
    Family("fvd", "sets", False, DISTANCE, {"": Scale(2)}, reference_library="scipy", shape="set"),
)
FAMILIES: dict[str, Family] = {family.name: family for family in _FAMILIES}

# How many of 28 papers on talking heads of 2023 to 2026 print a metric of the family, or of its page.
PAPERS = {
    "lip-sync": 23,
    "fid": 22,
    "fvd": 20,
    "identity-over-time": 13,
    "quality": 7,
    "motion": 7,
    "landmark-distance": 6,
}


def papers(family: Family) -> int:
    """Return how many of the counted papers (`PAPERS`) print such a metric; 0 where nobody counted."""
    return PAPERS.get(family.name, PAPERS.get(family.page, 0))


def facts(family: Family, unit: str) -> dict[str, Any]:
    """Return a family's facts for a manifest, as JSON, for a definition in `unit`; an infinite bound is None.

    Families of packages come after all others.
    """
    return {
        "order": list(FAMILIES).index(family.name) if family.name in FAMILIES else len(FAMILIES),
        "decimals": family.units[unit].decimals,
        "bounds": [bound if math.isfinite(bound) else None for bound in family.bounds],
        "tolerance": tolerance_of(family, unit),
        "library": family.reference_library,
        "page": family.page,
    }


def bounds(name: str | None) -> tuple[float, float]:
    """Return the bounds of a family's values; infinite ones for a family that is unknown here."""
    return FAMILIES[name].bounds if name in FAMILIES else ANY


def tolerance(name: str, unit: str) -> tuple[float, float] | None:
    """Return the exact and the statistical tolerance of a family's values in `unit`; None where unknown."""
    return tolerance_of(FAMILIES[name], unit) if name in FAMILIES else None


def tolerance_of(family: Family, unit: str) -> tuple[float, float] | None:
    """Return `tolerance` of a family, built-in or of a package."""
    scale = family.units.get(unit)
    if scale is None or scale.exact is None or scale.statistical is None:
        return None
    return scale.exact, scale.statistical
