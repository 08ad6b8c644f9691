"""What `bench doctor` says of a machine."""

from __future__ import annotations

import importlib.util
import io
import tomllib
from pathlib import Path

import pytest
import torch
from rich.console import Console

from baselines import samples
from baselines.card import MODELS
from baselines.errors import ModelError
from baselines.facemesh import litert
from bench.detectors import openface
from bench.info import doctor
from bench.samples.survey import chosen


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
            assert row.get
            if row.group in (doctor.OFFICIAL, doctor.SAMPLES):
                assert row.model in MODELS and row.model in text
            else:
                assert row.get in text and row.used_for in text and row.item in text
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


def test_a_damaged_file_of_each_format_is_named(tmp_path: Path) -> None:
    state = {"layer.weight": torch.arange(4000.0), "layer.bias": torch.zeros(2)}

    def problems() -> dict[str, str]:
        return {row.item: row.problem for row in doctor.report(tmp_path) if row.problem}

    torch.save(state, tmp_path / openface.FILE, _use_new_zipfile_serialization=False)
    torch.save(state, tmp_path / "i3d_pretrained_400.pt")
    torch.save(state, tmp_path / "syncnet_v2.model")
    assert problems() == {}
    cut = (openface.FILE, "i3d_pretrained_400.pt", "syncnet_v2.model")
    for name in cut:
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-5000])
    (tmp_path / "vgg16-397923af.pth").write_bytes(b"of another checksum")
    (tmp_path / "fomm").mkdir()
    (tmp_path / "fomm" / "vox-cpk.pth.tar").write_bytes(b"PK\x03\x04 and no more")
    found = problems()
    assert {*cut, "vgg16-397923af.pth"} <= found.keys() and len(found) == 5
    assert sum("vox-cpk.pth.tar" in problem for problem in found.values()) == 1
    assert all(str(tmp_path / name) in found[name] for name in cut) and "397923af" in found["vgg16-397923af.pth"]
    text = said(tmp_path)
    assert all(problem in text for problem in found.values())


def test_a_damaged_network_of_this_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for file in litert.FOLDER.glob("*.tflite"):
        content = file.read_bytes()
        (tmp_path / file.name).write_bytes(content if file.stem != "face_landmark" else content[: len(content) // 2])
    monkeypatch.setattr(litert, "FOLDER", tmp_path)
    (damaged,) = [row for row in doctor.report(None) if row.problem]
    assert damaged.item == "face_landmark.tflite" and str(tmp_path / damaged.item) in damaged.problem
    with pytest.raises(ModelError) as error:  # a run says so, too
        litert.Network("face_landmark").check()
    assert error.value.code == "unreadable-checkpoint"


def test_missing_samples_are_one_command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(samples, "locate", lambda shipped, name: tmp_path / name)
    names = [name for name in MODELS if name in samples.recipes()]
    assert len(names) > 5 and f": `python -m bench samples build {' '.join(names)}`" in said(None)
    assert [*chosen(names, False, ())] == names  # the command takes them


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
