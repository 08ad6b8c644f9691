"""The choice of a run's detectors from those that are available."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from bench.detectors import (
    arcface,
    body_identity,
    face_alignment_2d,
    feature_networks,
    openface,
    openpose,
    perceptual,
    pyfeat,
    registered,
)
from bench.detectors.base import Detection, Detector
from bench.detectors.blazeface import BlazeFace
from bench.detectors.cache import cached
from bench.detectors.dlib68 import Dlib68
from bench.detectors.dlib_identity import DlibIdentity
from bench.detectors.eyes import Eyes, Gaze, Lids
from bench.detectors.geometric_aus import GeometricActionUnits
from bench.detectors.headpose import PnpHeadPose
from bench.detectors.mesh import Mesh
from bench.detectors.mesh68 import Mesh68
from bench.detectors.mesh_headpose import MeshHeadPose
from bench.runtime.errors import UserError
from protocols.errors import PluginError

if TYPE_CHECKING:
    from bench.detectors.workers import Pool

__all__ = ["Availability", "DetectorSet", "Detection", "Detector", "available", "choose"]

Policy = Literal["paper", "embedded", "auto"]
# Kinds of Google's face networks: a run may need them in addition to dlib's or a paper's.
MESH = ("face", "mesh", "landmarks-mesh", "headpose-mesh", "eyes", "lids", "iris")
KINDS = ("landmarks", "identity", "arcface", "headpose", "action_units", "body-landmarks", "body-identity", *MESH)
UNREPLACED = ("arcface",)  # these have no embedded proxy, and are used only on request
EMPTY = (
    "body-landmarks",
    "body-identity",
)  # nor have these; protocols use them, and without them their columns are empty


@dataclass(frozen=True)
class Availability:
    """Whether a paper's own detector can be used.

    kind: what it detects, or the kind of a requirement ("perceptual").
    missing: what is missing, as text; empty if it can be used.
    """

    kind: str
    name: str
    missing: tuple[str, ...]


class DetectorSet(dict[str, Detector]):
    """The detectors of a run by kind, and the networks that its metrics run themselves.

    policy: of `choose`. weights: the weights folder, or None.
    networks: kind of a requirement to the names in use.
    empty: requested kinds without a detector, with the reason.
    messages: one line per kind with the choice, and why it is not the paper's.
    pool: the detectors' worker processes, or None if they run in this process.
    """

    def __init__(self, policy: Policy, weights: Path | None) -> None:
        super().__init__()
        self.policy, self.weights = policy, weights
        self.networks: dict[str, tuple[str, ...]] = {}
        self.empty: dict[str, str] = {}
        self.messages: list[str] = []
        self.pool: Pool | None = None

    def close(self) -> None:
        """Stop the worker processes, if any."""
        if self.pool:
            self.pool.close()


def available(weights: Path | None) -> list[Availability]:
    """Return what is missing for each paper's detector; reads no weights.

    weights: the weights folder, or None. Files that the libraries find themselves count too.
    """
    feat = tuple(pyfeat.missing())
    return [
        Availability("landmarks", "face-alignment", tuple(face_alignment_2d.missing(weights))),
        Availability("identity", "openface", tuple(openface.missing(weights))),
        Availability("arcface", "arcface", tuple(arcface.missing(weights))),
        Availability("headpose", "py-feat", feat),
        Availability("action_units", "py-feat", feat),
        Availability("body-landmarks", "openpose-coco18", tuple(openpose.missing(weights))),
        Availability("body-identity", body_identity.NAME, tuple(body_identity.missing())),
        *(
            Availability(need.kind, need.name, tuple(need.missing(weights)))
            for need in perceptual.NETWORKS
            if not need.proxy
        ),
    ]


def choose(
    policy: str,
    weights: Path | None,
    *,
    kinds: Collection[str] | None = None,
    device: str = "cpu",
    cache: Path | None = None,
    workers: int = 0,
    timeout: float | None = None,
) -> DetectorSet:
    """Choose the detectors of a run.

    policy: "paper" uses the papers' own, and raises UserError with what is missing; "embedded" uses those whose weights
        come with packages; "auto" uses the papers' where installed. Kinds that packages register, and those of `MESH`,
        have one detector each under every policy.
    kinds: the kinds that are needed (including "perceptual"); by default all, those of bodies only if usable.
    device: torch device of the detectors' networks; dlib's landmarks run on the CPU.
    cache: folder for detections, for later runs and for detectors that share a base; None computes everything again.
    workers: number of worker processes (`DetectorSet.close` stops them); 0: run in this process.
    timeout: limit in seconds for the frames of one call in a worker; None: the default.
    """
    known: Policy | None = next((one for one in get_args(Policy) if one == policy), None)
    if known is None:
        raise UserError(f"--detectors {policy}: choose one of paper, embedded, auto", code="unknown-choice")
    wanted = [state for state in available(weights) if kinds is None or state.kind in kinds]
    wanted = [state for state in wanted if not (state.kind in UNREPLACED and (state.missing or policy == "embedded"))]
    if kinds is None:
        wanted = [state for state in wanted if not (state.kind in EMPTY and (state.missing or policy == "embedded"))]
    lacking = {state.name: state.missing for state in wanted if state.missing}
    if policy == "paper" and lacking:
        listed = "; ".join(f"{name}: {', '.join(reasons)}" for name, reasons in lacking.items())
        raise UserError(
            f"--detectors paper is not possible: {listed}; see `python -m bench doctor`",
            code="missing-detector",
        )
    choice = DetectorSet(known, weights)
    makers = _Makers(weights, device)
    for kind in KINDS:
        state = next((state for state in wanted if state.kind == kind), None)
        if state is None:
            continue
        paper = policy != "embedded" and not state.missing
        if kind in EMPTY and not paper:
            why = ", ".join(state.missing) if state.missing else "embedded detectors were requested"
            choice.empty[kind] = f"{why}; there is no embedded detector"
            choice.messages.append(f"{kind}: none ({choice.empty[kind]})")
            continue
        choice[kind] = makers.paper(kind) if paper else makers.embedded(kind)
        choice.messages.append(_message(kind, choice[kind].name, None if paper else state, known))
    for kind in MESH:
        if kinds is None or kind in kinds:
            choice[kind] = makers.mesh(kind)
            choice.messages.append(f"{kind}: {choice[kind].name} (embedded, a proxy)")
    _choose_feature_networks(choice, kinds or (), device)
    _choose_registered(choice, kinds, device)
    if workers and choice:
        from bench.detectors.workers import TIMEOUT, in_workers

        remote, choice.pool = in_workers(choice, workers, timeout or TIMEOUT)
        choice.update(remote)
    if cache:
        choice.update(cached(choice, cache))
    for kind in dict.fromkeys(need.kind for need in perceptual.NETWORKS):
        _choose_networks(choice, kind, [state for state in wanted if state.kind == kind])
    return choice


def _choose_feature_networks(choice: DetectorSet, kinds: Collection[str], device: str) -> None:
    """Choose the networks of set metrics that are requested and usable.

    Raises UserError if the papers' own are required and missing.
    """
    for kind, entry in feature_networks.NETWORKS.items():
        if kind not in kinds:
            continue
        missing = ", ".join(entry.missing(choice.weights))
        if entry.proxy and choice.policy == "paper":
            missing = "a proxy, but the papers' own were requested"
        elif not entry.proxy and choice.policy == "embedded":
            missing = "embedded networks were requested"
        elif missing and choice.policy == "paper":
            raise UserError(f"--detectors paper is not possible: {kind}: {missing}", code="missing-detector")
        if missing:
            choice.empty[kind] = missing
            continue
        choice[kind] = feature_networks.make(kind, choice.weights, device)
        choice.messages.append(f"{kind}: {choice[kind].name} ({'embedded, a proxy' if entry.proxy else 'own'})")


def _choose_registered(choice: DetectorSet, kinds: Collection[str] | None, device: str) -> None:
    """Choose the detectors of packages that are needed. Raises PluginError for a broken one that was requested."""
    own = [kind for kind in KINDS if kind != body_identity.KIND]
    for kind in registered.kinds():
        if kind == body_identity.KIND or (kinds is not None and kind not in kinds):
            continue
        try:
            choice[kind] = registered.make(kind, choice.weights, device, own)
        except PluginError as error:
            if kinds is not None:
                raise
            choice.messages.append(f"{kind}: none ({error})")
            continue
        choice.messages.append(f"{kind}: {choice[kind].name} ({registered.package(kind)})")


def _choose_networks(choice: DetectorSet, kind: str, states: list[Availability]) -> None:
    """Choose the papers' own of a kind where usable, else the embedded ones."""
    if not states:
        return
    usable = tuple(state.name for state in states if not state.missing)
    own = bool(usable) and choice.policy != "embedded"
    embedded = tuple(need.name for need in perceptual.NETWORKS if need.kind == kind and need.proxy)
    choice.networks[kind] = usable if own else embedded
    missed = None if own else states[0]
    choice.messages.append(_message(kind, ", ".join(choice.networks[kind]), missed, choice.policy))


def _message(kind: str, name: str, instead_of: Availability | None, policy: Policy) -> str:
    if instead_of is None:
        return f"{kind}: {name} (the papers' own)"
    why = f"; {instead_of.name}: {', '.join(instead_of.missing)}" if policy == "auto" else ""
    return f"{kind}: {name} (embedded, a proxy{why})"


class _Makers:
    """Creates detectors so that derived ones share their base."""

    def __init__(self, weights: Path | None, device: str) -> None:
        self._weights, self._device = weights, device
        self._made: dict[str, Detector] = {}

    def paper(self, kind: str) -> Detector:
        if kind == "landmarks":
            return self._once("face-alignment", lambda: face_alignment_2d.FaceAlignment2D(self._weights, self._device))
        if kind == "identity":
            return openface.OpenFace(self._weights, device=self._device)
        if kind == "arcface":
            landmarks = (self.embedded if face_alignment_2d.missing(self._weights) else self.paper)("landmarks")
            return arcface.ArcFace(landmarks, self._weights, device=self._device)
        if kind == "body-landmarks":
            return openpose.OpenPose(self._weights, self._device)
        if kind == "body-identity":
            return body_identity.make(self._weights, self._device)
        base = self._once("py-feat", lambda: pyfeat.PyFeat(self._device))
        return pyfeat.PyFeatHeadPose(base) if kind == "headpose" else pyfeat.PyFeatActionUnits(base)

    def embedded(self, kind: str) -> Detector:
        landmarks = self._once("dlib68", Dlib68)
        if kind == "identity":
            return DlibIdentity(landmarks, device=self._device)
        derived = {"headpose": PnpHeadPose, "action_units": GeometricActionUnits}
        return landmarks if kind == "landmarks" else derived[kind](landmarks)

    def mesh(self, kind: str) -> Detector:
        if kind == "face":
            return BlazeFace()
        mesh = self._once("facemesh", Mesh)
        if kind == "mesh":
            return mesh
        if kind in (derived := {"landmarks-mesh": Mesh68, "headpose-mesh": MeshHeadPose}):
            return derived[kind](mesh)
        eyes = self._once("iris-network", lambda: Eyes(mesh))
        return eyes if kind == "eyes" else {"lids": Lids, "iris": Gaze}[kind](eyes)

    def _once(self, name: str, make: Callable[[], Detector]) -> Detector:
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]
