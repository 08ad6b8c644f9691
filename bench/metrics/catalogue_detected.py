"""Definitions that compare detected values: the papers' own detector first, then the proxy with its suffix.

Definitions that share a detector cost almost nothing: it runs once per frame.
"""

from __future__ import annotations

from functools import partial

from bench.detectors import geometric_aus, pyfeat
from bench.metrics import aed, akd, aucon, body, prmse
from bench.metrics.base import Compute, Definition, Role
from bench.metrics.families import FAMILIES

# A pair without a value is counted in the failure rate, never dropped.
_PAIR = {"rounding": "uint8-half-even", "failed": "nan-counted"}
_POINTS = {"points": 68, "scale": "width-256"}
_PER_COORDINATE = {"distance": "mean-abs-per-coordinate", **_POINTS}
_EUCLIDEAN = {"distance": "euclidean", **_POINTS}
_EYES = {"over": "interocular-of-reference"}
_ANGLES = {"angles": "pitch-yaw-roll"}
_THRESHOLD = {"threshold": aucon.THRESHOLD}


def _detected(
    name: str,
    family: str,
    params: dict,
    compute: Compute,
    summary: str,
    *,
    kind: str,
    detector: str,
    against: Role = "target",
    unit: str | None = None,
    proxy: bool = False,
) -> Definition:
    known = FAMILIES[family]
    return Definition(
        name,
        family,
        known.version,
        known.higher_is_better,
        known.unit if unit is None else unit,
        against,
        kind,
        proxy,
        _PAIR | params,
        summary,
        compute,
        detector,
    )


def _landmarks(detector: str, suffix: str, of: str, kind: str = "landmarks") -> list[Definition]:
    make = partial(_detected, kind=kind, detector=detector, proxy=bool(suffix))
    return [
        make(f"akd{suffix}", "akd", _PER_COORDINATE, akd.akd,
             f"difference per coordinate, as printed in papers, of {of}"),
        make(f"akd-euclid{suffix}", "akd", _EUCLIDEAN, akd.akd_euclid, f"Euclidean distance of {of}"),
        make(f"akd-norm{suffix}", "akd", _PER_COORDINATE | _EYES, akd.akd_norm,
             f"difference per coordinate over the distance of the reference's eyes, of {of}", unit="eyes"),
        make(f"akd-euclid-norm{suffix}", "akd", _EUCLIDEAN | _EYES, akd.akd_euclid_norm,
             f"Euclidean distance over the distance of the reference's eyes, of {of}", unit="eyes"),
        make(f"mkr{suffix}", "mkr", {"points": 68, "failed": "counts-as-missing"}, akd.mkr,
             f"share of the reference's points that are not found in the generated frame, of {of}"),
    ]  # fmt: skip


def _identity(detector: str, suffix: str, of: str, kind: str = "identity", proxy: bool = False) -> list[Definition]:
    make = partial(_detected, kind=kind, detector=detector, against="source", proxy=proxy)
    return [
        make(f"aed{suffix}", "aed", {"distance": "squared-l2"}, aed.aed,
             f"squared L2 distance, {'' if kind == 'arcface' else 'as printed in papers, '}of {of}"),
        make(f"aed-euclid{suffix}", "aed", {"distance": "l2"}, aed.aed_euclid, f"L2 distance of {of}"),
        make(f"csim{suffix}", "csim", {"similarity": "cosine"}, aed.csim, f"cosine similarity of {of}"),
    ]  # fmt: skip


def _units(detector: str, suffix: str, units: tuple[str, ...]) -> list[Definition]:
    make = partial(_detected, kind="action_units", detector=detector, against="driving", proxy=bool(suffix))
    of = "five action units read off dlib's landmarks; a proxy" if suffix else "py-feat's action units"
    found = [
        make(f"aucon{suffix}", "aucon", params={"units": len(units), **_THRESHOLD}, compute=aucon.aucon,
             summary=f"agreement of {of}")
    ]  # fmt: skip
    common = [unit for unit in units if unit in geometric_aus.UNITS]
    if common != list(units):
        found.append(
            make("aucon-common", "aucon", params={"units": "+".join(common), **_THRESHOLD},
                 compute=aucon.aucon_of([units.index(unit) for unit in common]),
                 summary=f"agreement of {of}, those only that the proxy has, too")
        )  # fmt: skip
    return found + [
        make(f"aucon-{unit.lower()}{suffix}", "aucon-units", params={"units": unit, **_THRESHOLD},
             compute=aucon.aucon_of([position]), summary=f"agreement on {unit} alone, of {of}")
        for position, unit in enumerate(units)
    ]  # fmt: skip


def _pose(detector: str, suffix: str, of: str, kind: str = "headpose") -> list[Definition]:
    make = partial(_detected, kind=kind, detector=detector, against="driving", proxy=bool(suffix))
    return [
        make(f"prmse{suffix}", "prmse", _ANGLES, prmse.prmse, f"root mean square error of the angles of {of}"),
        make(f"prmse-rad{suffix}", "prmse", _ANGLES, prmse.prmse_rad, f"the same in radians, of {of}", unit="rad"),
        *(
            make(f"prmse-{angle}{suffix}", "prmse-angles", {"angles": angle}, prmse.prmse_of(angle),
                 f"absolute difference of the {angle}, of {of}")
            for angle in prmse.ANGLES
        ),
    ]  # fmt: skip


def _body() -> list[Definition]:
    points = {"points": 18}
    joints = partial(_detected, kind="body-landmarks", detector="openpose-coco18")
    person = partial(_detected, kind="body-identity", detector="re-identification", against="source")
    return [
        joints("akd-body", "akd-body",
               {"distance": "mean-abs-per-coordinate", **points, "scale": "frame", "joints": "found-in-both"}, body.akd,
               "difference per coordinate of the body's joints that are found in both frames"),
        joints("mkr-body", "mkr-body", points | {"failed": "counts-as-missing"}, akd.mkr,
               "share of the body's joints in the reference that are not found in the generated frame"),
        person("aed-body", "aed-body", {"distance": "squared-l2"}, aed.aed,
               "squared L2 distance of person re-identification features"),
        person("aed-euclid-body", "aed-body", {"distance": "l2"}, aed.aed_euclid,
               "L2 distance of person re-identification features"),
    ]  # fmt: skip


DETECTED = [
    *_landmarks("face-alignment", "", "landmarks"),
    *_landmarks("dlib68", "-dlib", "dlib's landmarks; a proxy"),
    *_landmarks("mesh68", "-mesh", "68 points of Google's face mesh; a proxy", kind="landmarks-mesh"),
    *_identity("openface", "", "OpenFace embeddings"),
    *_identity("dlib-identity", "-dlib", "dlib's embeddings of the aligned face; a proxy", proxy=True),
    *_identity("arcface", "-arcface", "ArcFace embeddings of the aligned face", kind="arcface"),
    *_units("py-feat", "", pyfeat.UNITS),
    *_units("geometric-aus", "-geom", tuple(geometric_aus.UNITS)),
    *_pose("py-feat", "", "py-feat's head pose"),
    *_pose("pnp14", "-pnp", "a pose fitted to dlib's landmarks; a proxy"),
    *_pose("mesh-procrustes", "-mesh", "a pose fitted to Google's face mesh; a proxy", kind="headpose-mesh"),
    *_body(),
]
