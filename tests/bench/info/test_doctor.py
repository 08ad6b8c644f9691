"""What `bench doctor` says of a machine."""

from __future__ import annotations

import importlib.util
import io
import tomllib
from pathlib import Path

import pytest
from rich.console import Console

from bench.detectors import openface
from bench.info import doctor


def said(weights: Path | None, everything: bool = False) -> str:
    console = Console(file=io.StringIO(), width=60)
    doctor.render(console, weights, everything)
    return console.file.getvalue()


@pytest.fixture(autouse=True)
def empty_torch_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))


def test_each_missing_file_has_name_size_source_and_folder(tmp_path: Path) -> None:
    missing = [row for row in doctor.report(tmp_path) if not row.found]
    assert all(row.item and row.size and row.source and row.place and row.used_for for row in missing)
    names = {row.item for row in missing}
    assert {"2DFAN4-11f355bf06.pth.tar", "s3fd-619a316812.pth", "alexnet-owt-7be5be79.pth", "openface.pth"} <= names
    assert {"vox.pth.tar", "xgb_au_classifier_v2.skops"} <= names
    text = said(tmp_path, everything=True)
    for row in missing:
        assert f"{row.item} ({row.size})" in text and f"from {row.source}" in text and f"to {row.place}" in text


def test_the_short_report_has_what_to_do_and_leaves_out_what_is_installed(tmp_path: Path) -> None:
    text, rows = said(tmp_path), doctor.report(tmp_path)
    assert len(text.splitlines()) < 60 < len(said(tmp_path, everything=True).splitlines())
    for row in rows:
        if not row.found:
            assert row.get and row.get in text and row.used_for in text
            assert row.item in text or row.group in (doctor.OFFICIAL, doctor.SAMPLES)
    installed = [row.found for row in rows if row.found and row.group == "embedded weights"]
    assert installed and not any(path in text for path in installed)
    assert all(path in said(tmp_path, everything=True) for path in installed)


def test_embedded_weights_are_there_and_what_auto_takes_is_said() -> None:
    present = {row.item for row in doctor.report(None) if row.group == "embedded weights" and row.found}
    assert present == {
        "shape_predictor_68_face_landmarks.dat",
        "dlib_face_recognition_resnet_model_v1.dat",
        "alex_shift_tolerant.pth",
        "vgg_shift_tolerant.pth",
        "efficientnet-lite0-57934424.pth",
        "face_detection_short_range.tflite",
        "face_detection_full_range_sparse.tflite",
        "face_landmark.tflite",
        "iris_landmark.tflite",
    }
    text = said(None)
    assert "st-lpips" in text and "folder: none" in text
    assert "landmarks-mesh" in text and "mesh68" in text


def test_a_file_that_was_put_in_its_place_is_found_and_taken(tmp_path: Path) -> None:
    before = said(tmp_path)
    (tmp_path / openface.FILE).write_bytes(b"")
    (tmp_path / "tpsm").mkdir()
    (tmp_path / "tpsm" / "vox.pth.tar").write_bytes(b"")
    assert "identity: openface " in said(tmp_path)
    after = said(tmp_path, everything=True)
    assert "dlib-identity" in before and "identity: openface (the papers' own)" in after
    assert "openface.pth" in after and "aed-euclid" in after and str(tmp_path / openface.FILE) in after
    assert "vox.pth.tar" in after and "TPSM" in after and str(tmp_path / "tpsm" / "vox.pth.tar") in after


def test_several_checkpoints_that_could_be_meant_are_told(tmp_path: Path) -> None:
    (tmp_path / "fomm").mkdir()
    for name in ("vox-cpk.pth.tar", "vox-adv-cpk.pth.tar"):
        (tmp_path / "fomm" / name).write_bytes(b"")
    text = said(tmp_path)
    assert "FOMM: " in text and "vox-cpk.pth.tar" in text and "vox-adv-cpk.pth.tar" in text
    assert [row.used_for for row in doctor.report(tmp_path) if row.problem] == ["FOMM"]


def test_the_packages_of_studies_are_those_of_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra in pyproject.toml and what `doctor` looks for are the same list."""
    extra = tomllib.loads((Path(doctor.__file__).parents[2] / "pyproject.toml").read_text())
    wanted = {name.split(">")[0] for name in extra["project"]["optional-dependencies"]["study"]}
    find = importlib.util.find_spec
    monkeypatch.setattr(doctor.importlib.util, "find_spec", lambda name: None if name in wanted else find(name))
    rows = [row for row in doctor.report(None) if "extra study" in row.used_for]
    assert {row.item for row in rows} == wanted and not any(row.found for row in rows)
    assert all("[study]" in row.place for row in rows)
