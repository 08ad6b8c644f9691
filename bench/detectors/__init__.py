"""The detectors: which ones are available, and which ones a run uses."""

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
# What Google's face networks give, under kinds of their own: a run may need them beside dlib's or a paper's.
MESH = ("face", "mesh", "landmarks-mesh", "headpose-mesh", "eyes", "lids", "iris")
KINDS = ("landmarks", "identity", "arcface", "headpose", "action_units", "body-landmarks", "body-identity", *MESH)
UNREPLACED = ("arcface",)  # nothing that is embedded stands in for these, and nobody needs them but who asks for them
EMPTY = ("body-landmarks", "body-identity")  # nor for these; a protocol asks for them, and their columns stay empty


@dataclass(frozen=True)
class Availability:
    """Whether a paper's own detector can be used here.

    kind: what it detects, or the kind of a requirement ("perceptual").
    missing: what is missing, in words; empty where it can be used.
    """

    kind: str
    name: str
    missing: tuple[str, ...]


class DetectorSet(dict[str, Detector]):
    """The detector of each kind that a run uses, and the networks that its metrics run themselves.

    policy: what was asked for. weights: the weights folder, or None.
    networks: kind of a requirement to the names of those that are used.
    empty: kinds that were asked for and that nothing here detects, with the reason.
    messages: one line for each kind that says what was taken, and why not the paper's.
    pool: the worker processes that the detectors run in, or None where they run in this one.
    """

    def __init__(self, policy: Policy, weights: Path | None) -> None:
        super().__init__()
        self.policy, self.weights = policy, weights
        self.networks: dict[str, tuple[str, ...]] = {}
        self.empty: dict[str, str] = {}
        self.messages: list[str] = []
        self.pool: Pool | None = None

    def close(self) -> None:
        """End the worker processes, if there are any."""
        if self.pool:
            self.pool.close()


def available(weights: Path | None) -> list[Availability]:
    """For each paper's detector what it lacks on this machine; reads no weights.

    weights: the weights folder, or None. Files that the libraries themselves would find count too.
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
    """The detectors of a run.

    policy: "paper" takes the papers' own and raises UserError, naming what is missing, where one cannot be used;
        "embedded" takes those whose weights come with registry packages; "auto" the paper's where present. Kinds that
        packages register, and those of `MESH`, have one detector each, whatever the policy.
    kinds: which kinds are needed ("perceptual" among them); by default all, those of bodies where they can be used.
    device: torch device of the detectors' networks; dlib's landmarks are found on the CPU.
    cache: folder in which detections are kept, for later runs and so that detectors that share one ask it once a
        frame; None computes everything again.
    workers: how many processes the detectors run in (`DetectorSet.close` ends them); 0 for this one.
    timeout: seconds after which a worker that is busy with the frames of one call is given up; None for the default.
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
            f"--detectors paper cannot be done: {listed}; `python -m bench doctor` says where files belong",
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
            why = ", ".join(state.missing) if state.missing else "the embedded detectors were asked for"
            choice.empty[kind] = f"{why}; no embedded detector takes its place"
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
    """Take the networks of metrics of sets that are needed and can be used; nobody needs them but who asks for them.

    Raises UserError where the papers' own must be used and are not there.
    """
    for kind, entry in feature_networks.NETWORKS.items():
        if kind not in kinds:
            continue
        missing = ", ".join(entry.missing(choice.weights))
        if entry.proxy and choice.policy == "paper":
            missing = "a proxy, and the papers' own were asked for"
        elif not entry.proxy and choice.policy == "embedded":
            missing = "the embedded networks were asked for"
        elif missing and choice.policy == "paper":
            raise UserError(f"--detectors paper cannot be done: {kind}: {missing}", code="missing-detector")
        if missing:
            choice.empty[kind] = missing
            continue
        choice[kind] = feature_networks.make(kind, choice.weights, device)
        choice.messages.append(f"{kind}: {choice[kind].name} ({'embedded, a proxy' if entry.proxy else 'own'})")


def _choose_registered(choice: DetectorSet, kinds: Collection[str] | None, device: str) -> None:
    """Take the detectors of packages that are needed. Raises PluginError for a broken one that was asked for."""
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
    """Take the papers' own of a kind as far as they can be used, else the embedded ones."""
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
    """Makes detectors such that those which derive from one share it."""

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
