"""Head pose by fitting Google's canonical face to the mesh (weighted Procrustes)."""

from __future__ import annotations

import cv2
import numpy as np

from baselines.facemesh.canonical import FILE, pose_of
from bench.detectors.base import DerivedDetector, Detection
from bench.detectors.headpose import FOCAL, angles
from bench.detectors.mesh import WIDTH
from protocols.files import short_hash


class MeshHeadPose(DerivedDetector):
    """Pitch, yaw and roll in degrees, in the order and with the signs of `headpose.PnpHeadPose`; base: `mesh.Mesh`.

    The mesh is relative to the line from the camera to the face; the angles are relative to the camera's axis, with the
    focal length of `headpose`.
    """

    kind, name, proxy, shape = "headpose-mesh", "mesh-procrustes", True, (3,)

    @property
    def signature(self) -> str:
        return f"{self.name};v:1;head:{short_hash(FILE)};points:33-weighted;focal:{FOCAL}w;on:({self.base.signature})"

    def derive(self, values: np.ndarray, frame: np.ndarray) -> Detection:
        return Detection(fit(values, (WIDTH / 2, WIDTH / 2 * frame.shape[0] / frame.shape[1])))


def fit(mesh: np.ndarray, middle: tuple[float, float]) -> np.ndarray:
    """Return pitch, yaw and roll in degrees of a mesh ``(468, 3)`` in a frame 256 wide.

    The rotation of `pose_of`, corrected by the angle between the camera's axis and the face. middle: picture's center.
    """
    pose = pose_of(mesh)
    return angles(towards((pose.place[:2] - middle) / (FOCAL * WIDTH)) @ pose.rotation)


def towards(place: np.ndarray) -> np.ndarray:
    """Return the smallest rotation ``(3, 3)`` from the camera's axis to a point ``(2,)`` of the picture at depth 1."""
    distance = float(np.linalg.norm(place))
    if distance == 0:
        return np.eye(3)
    axis = np.array([-place[1], place[0], 0.0]) / distance
    return cv2.Rodrigues(axis * np.arctan(distance))[0]
