from __future__ import annotations

import numpy as np
import pytest
import torch

from baselines.errors import ModelError
from baselines.facemesh.canonical import canonical, mouth
from baselines.memface import bases
from baselines.memface.arkit import _on_mesh
from baselines.memface.basis import MeshComponents, moving
from baselines.memface.basis_file import BasisFile, similarity
from baselines.memface.glb import Morphs
from bench.runtime.config import cache_folder


def face() -> np.ndarray:
    return canonical()[0]


def speaking(frames: int = 60, shape: float = 0.0) -> np.ndarray:
    """Aligned meshes that open and widen the mouth, and lift the brows."""
    rng = np.random.default_rng(round(shape * 10))
    modes = np.zeros((3, 468, 3))
    modes[0, mouth(), 1] = rng.random(69)
    modes[1, mouth(), 0] = rng.random(69)
    modes[2, [70, 105, 334, 300], 1] = 1
    return face() * (1 + shape) + np.tensordot(rng.normal(size=(frames, 3)), modes, 1)


def test_components_rebuild_the_mouth_and_leave_the_brows():
    clips = [speaking(), speaking(shape=0.1)]
    basis = MeshComponents.fit(clips, 6)
    assert basis.name == "facemesh-6" and basis.width == 6 and basis.on_mesh
    for aligned in clips:
        person = basis.person(aligned)
        rebuilt = basis.vertices(basis.coefficients(aligned, person), person)
        np.testing.assert_allclose(rebuilt[:, basis.mouth], aligned[:, basis.mouth], atol=1e-9)
        assert np.array_equal(basis.truth(aligned, person), aligned[:, mouth()])
        np.testing.assert_allclose(rebuilt[:, 105], np.broadcast_to(person[105], (60, 3)), atol=1e-9)


def test_components_are_orthonormal_in_falling_order_and_do_not_depend_on_the_order_of_clips():
    clips = [speaking(), speaking(shape=0.1)]
    basis, turned = MeshComponents.fit(clips, 4), MeshComponents.fit(clips[::-1], 4)
    flat = basis.components.reshape(4, -1)
    np.testing.assert_allclose(flat @ flat.T, np.eye(4), atol=1e-9)
    found = basis.coefficients(clips[0], clips[0].mean(0))
    assert (np.diff(found.var(0)) <= 1e-9).all()
    np.testing.assert_allclose(basis.components[:2], turned.components[:2], atol=1e-9)


def test_a_person_may_change_from_frame_to_frame():
    basis = MeshComponents.fit([speaking()], 4)
    people = np.stack([face(), face() + 1])
    np.testing.assert_allclose(np.diff(basis.vertices(np.ones((2, 4)), people), axis=0), 1)


def test_too_few_frames_for_the_components():
    with pytest.raises(ModelError) as error:
        MeshComponents.fit([speaking(6)], 6)
    assert error.value.code == "bad-basis"


def test_speech_moves_the_chin_and_not_the_eyes():
    assert moving()[[152, 13, 14, 17, 2]].min() == 1 and moving()[[10, 133, 362, 105]].max() == 0
    assert 0 < moving()[117] < 1


def own_file(path, **changes):
    """The canonical face in other units, turned, with two shapes, as a custom file."""
    rng = np.random.default_rng(0)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    rotation *= np.sign(np.linalg.det(rotation))
    order = rng.permutation(468)
    arrays = {
        "mean": (face() @ rotation.T * 0.01 + 3)[order],
        "components": rng.normal(size=(2, 468, 3))[:, order] * 0.01,
        "mouth": np.arange(5),
        "mesh": order[:100],
        "vertex": np.arange(100),
    } | changes
    np.savez(path, **{name: value for name, value in arrays.items() if value is not None})
    return path


def test_a_file_of_ones_own_is_laid_over_the_face(tmp_path):
    basis = BasisFile(own_file(tmp_path / "mine.npz"))
    assert basis.name == "mine-2" and basis.mouth.tolist() == [0, 1, 2, 3, 4] and not basis.on_mesh
    wanted = np.array([[0.5, -1.0], [0.0, 2.0]])
    vertices = basis.vertices(wanted, face())
    aligned = np.repeat(face()[None], 2, 0)
    with np.load(tmp_path / "mine.npz") as found:
        aligned[:, found["mesh"]] = vertices[:, found["vertex"]]
    np.testing.assert_allclose(basis.coefficients(aligned, face()), wanted, atol=1e-9)
    np.testing.assert_allclose(basis.truth(aligned, face()), vertices[:, :5], atol=1e-9)


@pytest.mark.parametrize(
    "changes",
    [
        {"mean": None},
        {"mean": np.zeros((468, 2))},
        {"components": np.zeros((2, 467, 3))},
        {"components": np.zeros((2, 468, 3))},
        {"components": np.full((2, 468, 3), np.nan)},
        {"mouth": np.array([468])},
        {"mouth": np.array([0.5])},
        {"mesh": np.arange(99)},
        {"mesh": np.arange(400, 500)},
        {"vertex": np.array(["a"])},
        {"triangles": np.array([[0, 1, 468]])},
    ],
)
def test_a_file_that_does_not_fit_is_refused_in_one_line(tmp_path, changes):
    with pytest.raises(ModelError) as error:
        BasisFile(own_file(tmp_path / "mine.npz", **changes))
    assert error.value.code == "bad-basis" and "\n" not in str(error.value)


def test_what_is_no_such_file_is_refused(tmp_path):
    (tmp_path / "text.npz").write_text("no archive")
    for what, code in (("text.npz", "bad-basis"), ("none.npz", "bad-basis"), ("bfm", "unknown-choice")):
        with pytest.raises(ModelError) as error:
            bases.fitted(str(tmp_path / what) if "." in what else what, (), tmp_path)
        assert error.value.code == code


def test_similarity_is_found_again():
    rng = np.random.default_rng(1)
    points, rotation = rng.normal(size=(7, 3)), np.linalg.qr(rng.normal(size=(3, 3)))[0]
    rotation *= np.sign(np.linalg.det(rotation))
    scale, found, shift = similarity(points, 2 * points @ rotation + (1, 2, 3))
    np.testing.assert_allclose(found, rotation, atol=1e-9)
    assert scale == pytest.approx(2) and shift == pytest.approx([1, 2, 3])


def test_a_checkpoint_keeps_components_and_asks_for_a_file_again(tmp_path):
    basis = bases.fitted("facemesh", [speaking()], tmp_path, 4)
    again = bases.kept(basis.name, basis.tensors(), tmp_path)
    np.testing.assert_allclose(again.components, basis.components, atol=1e-7)
    assert again.signature == basis.signature and basis.tensors()["components"].dtype == torch.float32
    file = own_file(tmp_path / "mine.npz")
    own = bases.fitted(str(file), (), tmp_path)
    assert own.tensors() == {}
    assert bases.kept("mine-2", {}, tmp_path, file).signature == own.signature
    for name, given in (("mine-2", None), ("other-2", file)):
        with pytest.raises(ModelError) as error:
            bases.kept(name, {}, tmp_path, given)
        assert error.value.code == "bad-basis"


def test_shapes_of_a_head_lie_on_the_mesh_whatever_its_size_and_place():
    points = face() * (1, -1, -1)  # y up, z towards the camera
    lying = np.stack([points[:, 0], points[:, 2], -points[:, 1]], 1)  # on its back
    blink = np.zeros((2, 468, 3))
    blink[0, [33, 133]], blink[1, [263, 362]] = (0, 0, 0.2), (0, 0, 0.2)
    jaw = np.zeros((1, 468, 3))
    jaw[0, 14] = (0, 0, 1)
    head = Morphs(lying * 1.3, np.concatenate([blink, jaw]) * 1.3, ("eyeBlink_R", "eyeBlink_L", "jawOpen"))
    found = _on_mesh(head)
    np.testing.assert_allclose(found[2, 14], (0, 1, 0), atol=1e-6)  # down
    assert np.abs(np.delete(found[2], 14, 0)).max() == 0


@pytest.mark.slow
def test_the_real_head_opens_its_jaw_and_comes_back_from_its_cache():
    cache = cache_folder()
    basis = bases.fitted("arkit", (), cache)
    assert basis.width == 52 and basis.name == "arkit-52" and basis.tensors() == {}
    jaw = basis.components[basis.shapes.index("jawOpen")]
    assert jaw[14, 1] > 2 and abs(jaw[13, 1]) < 0.3 and np.abs(jaw[10]).max() < 0.01  # lips apart, forehead still
    smile = basis.components[basis.shapes.index("mouthSmile_L")]
    assert np.linalg.norm(smile[291]) > 5 * np.linalg.norm(smile[61])  # the person's left is the picture's right
    wanted = np.zeros((1, 52))
    wanted[0, [basis.shapes.index("jawOpen"), basis.shapes.index("mouthPucker")]] = (0.5, 0.25)
    np.testing.assert_allclose(basis.coefficients(basis.vertices(wanted, face()), face()), wanted, atol=1e-6)
    shut = np.stack([face()] * 3 + list(basis.vertices(wanted, face())))
    np.testing.assert_allclose(basis.person(shut), face(), atol=1e-9)
    assert bases.kept("arkit-52", {}, cache).signature == basis.signature
