"""The way through py-feat, with random weights of the right shapes in the places where it looks for them."""

from __future__ import annotations

import functools
import importlib.util
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from support.refused import refused

from bench.detectors import pyfeat
from bench.detectors.base import NO_FACE
from bench.runtime.errors import UserError

pytestmark = pytest.mark.skipif(importlib.util.find_spec("feat") is None, reason="py-feat is not installed")

HOG = 5408  # features of a 112 x 112 face: 13 x 13 blocks of 4 cells and 8 directions
LANDMARKS = 136


def au_model(rng: np.random.Generator):
    """Substitutes for the published classifiers: the same parts, fitted to noise."""
    from feat.au_detectors.StatLearning.SL_test import XGBClassifier as Wrapper
    from sklearn.decomposition import PCA
    from sklearn.preprocessing import StandardScaler
    from xgboost import XGBClassifier

    noise = rng.normal(size=(16, HOG))
    model = Wrapper()
    scaler, pca = StandardScaler().fit(noise), PCA(4).fit(noise)
    inputs = rng.normal(size=(16, 4 + LANDMARKS))
    classifiers = {
        key: XGBClassifier(n_estimators=1, max_depth=1).fit(inputs, np.arange(16) % 2) for key in model.au_keys
    }
    model.load_weights(scaler, pca, scaler, pca, scaler, pca, classifiers)
    return model


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory):
    """py-feat with random weights in a folder of its own."""
    pyfeat.load_package()
    import feat.detector
    import feat.utils.io
    from feat.face_detectors.Retinaface.Retinaface_test import RETINAFACE_R34_CFG, RetinaFace
    from feat.landmark_detectors.mobilefacenet_test import MobileFaceNet
    from feat.utils import face_pose_mlp
    from safetensors.torch import save_file
    from skops.io import dump

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("resources")
    places = {}
    for repository, name, _ in pyfeat.FILES:
        base = folder / f"models--{repository.replace('/', '--')}"
        (base / "refs").mkdir(parents=True, exist_ok=True)
        (base / "refs" / "main").write_text("0" * 40)
        places[name] = base / "snapshots" / ("0" * 40) / name
        places[name].parent.mkdir(parents=True, exist_ok=True)
    finder, marker, pose = RetinaFace(RETINAFACE_R34_CFG), MobileFaceNet([112, 112], LANDMARKS), face_pose_mlp.PoseMLP()
    save_file({key: value.contiguous() for key, value in finder.state_dict().items()}, places["model.safetensors"])
    torch.save({"state_dict": marker.state_dict()}, places["mobilefacenet_model_best.pth.tar"])
    save_file(pose.state_dict(), places["pose_mlp_v2.safetensors"])
    scale = {"mean": [0.0] * 6, "std": [1.0] * 6}
    shape = {"hidden": [512, 256, 128], "dropout": 0.15, "output_normalization": scale}
    places["pose_mlp_v2.json"].write_text(json.dumps({"architecture": shape}))
    dump(au_model(np.random.default_rng(0)), places["xgb_au_classifier_v2.skops"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pyfeat, "resources", lambda: Path(folder))
        for module in (feat.detector, feat.utils.io):
            patch.setattr(module, "get_resource_path", lambda: str(folder))
        yield folder


class Boxes(torch.nn.Module):
    """In place of the face finder, whose random weights find nonsense: the boxes that the test wants."""

    def __init__(self, *boxes: list[float]) -> None:
        super().__init__()
        self.boxes = list(boxes)

    def forward(self, frames: torch.Tensor) -> list[list[list[float]]]:
        return [self.boxes for _ in frames]


@pytest.mark.slow
def test_head_pose_and_action_units_share_one_pass(installed: Path) -> None:
    assert pyfeat.missing() == []
    base = pyfeat.PyFeat()
    small, large = [10.0, 10.0, 120.0, 120.0, 0.9], [60.0, 50.0, 200.0, 220.0, 0.6]
    frames = np.random.default_rng(1).integers(0, 256, (2, 256, 256, 3), dtype=np.uint8)

    base._detector.facepose_detector = Boxes(large)
    alone = base.detect(frames)
    assert [one.values.shape for one in alone] == [(23,), (23,)]
    assert not np.allclose(alone[0].values, alone[1].values)
    base._detector.facepose_detector = Boxes(small, large)
    np.testing.assert_allclose(base.detect(frames[:1])[0].values, alone[0].values, atol=1e-4)

    table = base._detector.detect(torch.from_numpy(frames[:1].transpose(0, 3, 1, 2)), data_type="tensor")
    best = table.loc[table["FaceRectWidth"].idxmax()]
    pose, units = pyfeat.PyFeatHeadPose(base), pyfeat.PyFeatActionUnits(base)
    degrees = np.degrees([best["Pitch"], best["Yaw"], best["Roll"]]).astype(float)
    np.testing.assert_allclose(pose.detect(frames[:1])[0].values, degrees, atol=1e-3)
    assert units.detect(frames[:1])[0].values.shape == (20,)
    assert ((units.detect(frames[:1])[0].values >= 0) & (units.detect(frames[:1])[0].values <= 1)).all()

    base._backoff.size = 4  # as on an accelerator
    base._detector.facepose_detector = Boxes(large)
    for one, other in zip(base.detect(frames), alone, strict=True):
        np.testing.assert_allclose(one.values, other.values, atol=1e-3)
    base._detector.facepose_detector = Boxes()
    assert pose.detect(frames[:1])[0].reason == NO_FACE


@pytest.mark.slow
def test_a_missing_file_is_named(installed: Path) -> None:
    file = next(installed.glob("models--py-feat--xgb_au/snapshots/*/*.skops"))
    away = file.rename(file.with_suffix(".away"))
    try:
        assert "py-feat/xgb_au/xgb_au_classifier_v2.skops" in pyfeat.missing()[0]
        assert "retinaface" not in pyfeat.missing()[0]
    finally:
        away.rename(file)


@pytest.mark.slow
def test_code_in_the_classifier_file_does_not_run(installed: Path) -> None:
    """py-feat trusts every type that the file names; what is not a known one is refused before it is asked."""
    from skops.io import dump

    file = next(installed.glob("models--py-feat--xgb_au/snapshots/*/*.skops"))
    sound = file.read_bytes()
    pyfeat.check_types(file)
    mark = installed / "executed"
    try:
        for planted in (functools.partial(os.mkdir, str(mark)), {"AU1": os.system}):
            dump(planted, file)
            with refused(UserError, "unsafe-file"):
                _ = pyfeat.PyFeat()._detector
        for torn in (b"", sound[: len(sound) // 2]):
            file.write_bytes(torn)
            with refused(UserError, "unreadable-checkpoint", file.name):
                _ = pyfeat.PyFeat()._detector
    finally:
        file.write_bytes(sound)
    assert not mark.exists()
