"""What verify makes of golden folders of other sizes, of wrong numbers in them, and of malformed ones."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from support import golden_cases
from support.refused import refused

from bench.parity import compare as golden
from bench.parity import verify
from bench.runtime.errors import UserError


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    return golden_cases.small(tmp_path_factory.mktemp("golden") / "small")


@pytest.fixture
def folder(original, tmp_path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "small"))


def edit(folder: Path, change) -> None:
    with np.load(folder / "golden.npz") as file:
        arrays = {name: file[name].copy() for name in file.files}
    change(arrays)
    np.savez_compressed(folder / "golden.npz", **arrays)


def run(folder: Path) -> tuple[int, str]:
    console = Console(file=io.StringIO(), width=140)
    return verify.run([folder], console), console.file.getvalue()


def test_reduced_network_with_other_seeds_agrees(folder):
    code, text = run(folder)
    assert code == 0
    assert f"{len(golden_cases.WHOLE) + len(golden_cases.SAMPLED)} arrays" in text


@pytest.mark.parametrize(
    ("name", "shift", "code"),
    [
        ("absolute.prediction.value", 4e-4, 0),
        ("absolute.prediction.value", 6e-4, 1),
        ("absolute.kp.value", 6e-4, 1),
        ("absolute.deformation.value", 0.1, 1),
    ],
)
def test_one_wrong_position_counts_from_the_tolerance_on(folder, name, shift, code):
    def change(arrays):
        arrays[name].flat[0] += shift

    edit(folder, change)
    assert run(folder)[0] == code


def test_error_everywhere_counts_below_the_worst(folder):
    def change(arrays):
        arrays["absolute.prediction.value"] += np.float32(1e-4)  # below 5e-4 at the worst, above 5e-5 on average

    edit(folder, change)
    code, text = run(folder)
    assert code == 1 and "absolute.prediction" in text


@pytest.mark.parametrize("statistic", range(4))
def test_statistics_of_a_prediction_are_compared(folder, statistic):
    def change(arrays):
        arrays["absolute.prediction.stats"][statistic] += 1e-3

    edit(folder, change)
    assert run(folder)[0] == 1


def test_first_array_that_parts_is_named_though_another_is_worse(folder):
    def change(arrays):
        arrays["absolute.mask.value"][3] += 0.01
        arrays["absolute.prediction.value"][3] += 5

    edit(folder, change)
    code, text = run(folder)
    assert code == 1 and "2 of 6 arrays" in text
    assert "absolute.mask" in text
    assert text.index("absolute.prediction") < text.index("absolute.mask")  # worst first


def test_nan_never_agrees(folder):
    edit(folder, lambda a: a["absolute.mask.value"].__setitem__(0, np.nan))
    assert run(folder)[0] == 1


def test_array_of_another_shape_and_an_unknown_one(folder):
    edit(folder, lambda a: a.update({"absolute.mask.shape": np.array([1, 5, 8, 512]), "absolute.unheard": np.ones(3)}))
    code, text = run(folder)
    assert code == 1
    assert "absolute.mask" in text
    assert "absolute.unheard" in text


@pytest.mark.parametrize(
    ("name", "absolute"),
    [
        ("kp_source.value", True),
        ("kp_source.heatmap", False),
        ("region_source.affine", True),
        ("region_source.heatmap", False),
        ("kp_detector.source.logits", False),
        ("relative_adapt.kp_norm.jacobian", True),
        ("bg_params", True),
        ("avd.kp.fg_kp", True),
        ("avd.warped_encoder_maps.0", False),
        ("avd.prediction", True),
        ("absolute.deformation", False),
    ],
)
def test_motion_and_predictions_are_absolute_and_all_else_relative(name, absolute):
    expected = np.array([100.0, 0.0])
    assert golden.compare(name, torch.tensor([100.006, 0.0]), {"whole": expected}).ok == (not absolute)
    expected = np.array([0.01, 0.0])
    assert golden.compare(name, torch.tensor([0.01005, 0.0]), {"whole": expected}).ok == absolute


@pytest.mark.parametrize(
    ("change", "code", "words"),
    [
        ({"networks": ["generator"]}, "other-network", ["fomm"]),
        ({"overrides": [{"pattern": "(", "scale": 1, "offset": 0}]}, "other-network", ["fomm"]),
        ({"config": {}}, "other-network", ["fomm"]),
        ({"model": ["fomm"]}, "unknown-model", ["['fomm']"]),
        ({"model": "foam"}, "unknown-model", ["'foam'", "audio_features", "dagan", "fid_fvd"]),
        ({"seed": None}, "not-golden", ["seed"]),
        ({"pair_seed": {}}, "not-golden", ["pair_seed"]),
    ],
)
def test_malformed_spec_is_one_line(folder, change, code, words):
    file = folder / "spec.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with refused(UserError, code, "spec.json", *words) as error:
        run(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a.pop("absolute.mask.value"),
        lambda a: a.update({"absolute.mask.value": np.zeros(49, np.float32)}),
        lambda a: a.update({"absolute.mask.stats": np.zeros(3)}),
        lambda a: a.update({"absolute.mask.index": np.zeros(50)}),
        lambda a: a.update({"kp_source.value": np.array(["text"])}),
    ],
)
def test_parts_that_do_not_fit_are_one_line(folder, change):
    edit(folder, change)
    with refused(UserError, "other-network", "golden.npz"):
        run(folder)


def test_damaged_archive_is_one_line(folder):
    file = folder / "golden.npz"
    with zipfile.ZipFile(file) as archive:
        entry = max(archive.infolist(), key=lambda entry: entry.compress_size)
    data = bytearray(file.read_bytes())
    start = entry.header_offset + 30 + len(entry.filename) + 40
    data[start : start + 60] = bytes(60)
    file.write_bytes(data)
    with pytest.raises(UserError, match="golden.npz"):
        run(folder)


@pytest.mark.parametrize("gone", ["spec.json", "golden.npz"])
def test_folder_without_its_files(folder, gone):
    (folder / gone).unlink()
    with refused(UserError, "missing-file", gone):
        run(folder)
