"""Which detectors a run takes, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.refused import refused

from bench import detectors
from bench.detectors import face_alignment_2d, openface, perceptual, pyfeat
from bench.runtime.errors import UserError


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the papers' packages and weights, whatever is installed where the tests run."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(pyfeat, "missing", lambda: ["the package py-feat is not installed"])


def chosen(policy: str, weights: Path | None = None) -> dict[str, str]:
    return {kind: detector.name for kind, detector in detectors.choose(policy, weights).items()}


EMBEDDED = {
    "landmarks": "dlib68", "identity": "dlib-identity", "headpose": "pnp14", "action_units": "geometric-aus",
    "face": "blazeface", "mesh": "facemesh", "landmarks-mesh": "mesh68", "headpose-mesh": "mesh-procrustes",
    "eyes": "iris-network", "lids": "iris-lids", "iris": "iris-gaze",
}  # fmt: skip


def test_without_the_papers_weights_auto_takes_the_embedded_and_says_why() -> None:
    assert chosen("auto") == chosen("embedded") == EMBEDDED
    choice = detectors.choose("auto", None)
    assert choice.networks == {"perceptual": ("st-lpips",)}
    assert len(choice.messages) == 12
    [line] = [message for message in choice.messages if message.startswith("identity: ")]
    assert all(word in line for word in ("dlib-identity", "embedded", "proxy", openface.FILE)), line


def test_auto_takes_what_is_there_kind_by_kind(tmp_path: Path) -> None:
    (tmp_path / openface.FILE).write_bytes(b"")
    assert chosen("auto", tmp_path) == {**EMBEDDED, "identity": "openface"}
    [line] = [one for one in detectors.choose("auto", tmp_path).messages if one.startswith("identity: ")]
    assert line.startswith("identity: openface (") and "embedded" not in line
    assert chosen("embedded", tmp_path) == EMBEDDED


def test_paper_names_everything_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(UserError) as error:
        detectors.choose("paper", tmp_path)
    for missing in (face_alignment_2d.NETWORK, face_alignment_2d.FINDER, openface.FILE, "py-feat is not installed",
                    perceptual.BACKBONES["alex"], perceptual.BACKBONES["vgg"], "bench doctor"):  # fmt: skip
        assert missing in str(error.value)
    assert "\n" not in str(error.value)


def test_only_what_is_needed_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / openface.FILE).write_bytes(b"")
    choice = detectors.choose("paper", tmp_path, kinds={"identity"})
    assert list(choice) == ["identity"] and choice.networks == {}
    assert dict(detectors.choose("auto", None, kinds=())) == {}


@pytest.mark.parametrize("policy", ["paper", "auto", "embedded"])
def test_the_face_mesh_is_taken_where_it_is_asked_for_whatever_the_policy(policy: str) -> None:
    choice = detectors.choose(policy, None, kinds={"landmarks-mesh", "lids"})
    assert {kind: detector.name for kind, detector in choice.items()} == {
        "landmarks-mesh": "mesh68",
        "lids": "iris-lids",
    }
    assert choice["lids"].base.base is choice["landmarks-mesh"].base


def test_lpips_is_taken_backbone_by_backbone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lacking = {"alex": ["alexnet"], "vgg": []}
    monkeypatch.setattr(perceptual.Backbone, "missing", lambda need, weights: lacking[need.net])
    assert detectors.choose("auto", None).networks == {"perceptual": ("lpips-vgg",)}
    assert detectors.choose("embedded", None).networks == {"perceptual": ("st-lpips",)}
    with refused(UserError, "missing-detector", "lpips-alex: alexnet"):
        detectors.choose("paper", None, kinds={"perceptual"})


def test_an_unknown_policy_is_refused() -> None:
    with refused(UserError, "unknown-choice"):
        detectors.choose("best", None)


def test_the_embedded_detectors_share_their_landmarks(tmp_path: Path, sample_set: Path) -> None:
    choice = detectors.choose("embedded", None)
    assert {id(choice[kind].base) for kind in ("identity", "headpose", "action_units")} == {id(choice["landmarks"])}
    remembering = detectors.choose("embedded", None, cache=tmp_path)
    assert {kind: d.signature for kind, d in remembering.items()} == {kind: d.signature for kind, d in choice.items()}
    from PIL import Image

    file = sorted((sample_set / "j_onset").glob("*.png"))[0]
    frame = np.asarray(Image.open(file).convert("RGB"))[None]
    for kind in choice:
        plain, kept = choice[kind].detect(frame)[0], remembering[kind].detect(frame)[0]
        assert kept.values.shape == choice[kind].shape
        np.testing.assert_array_equal(plain.values, kept.values)
        np.testing.assert_array_equal(remembering[kind].detect(frame)[0].values, kept.values)
