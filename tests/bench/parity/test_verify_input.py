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

from baselines.fomm.network import FOMM
from baselines.parity import Case
from bench.parity import compare as golden
from bench.parity import verify
from bench.runtime.errors import UserError

MOTION = {"block_expansion": 4, "max_features": 8, "num_blocks": 2, "scale_factor": 0.25}
GENERATOR = {"block_expansion": 4, "max_features": 8, "num_down_blocks": 2, "num_bottleneck_blocks": 1}
CONFIG = {
    "common_params": {"num_kp": 4, "num_channels": 3},
    "kp_detector_params": {**MOTION, "temperature": 0.1},
    "generator_params": {**GENERATOR, "dense_motion_params": MOTION},
}
WHOLE = ("kp_source.value", "kp_source.jacobian", "absolute.kp.value")
SAMPLED = ("absolute.mask", "absolute.deformation", "absolute.prediction")


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    """A golden folder of a small FOMM with seeds of its own, made by this package's network."""
    torch.manual_seed(0)
    networks: dict[str, dict[str, list[int]]] = {}
    for key, tensor in FOMM(CONFIG).state_dict().items():
        network, _, name = key.partition(".")
        networks.setdefault(network, {})[name] = list(tensor.shape)
    spec = {"model": "fomm", "seed": 5, "pair_seed": 11, "config": CONFIG, "networks": networks, "overrides": []}
    folder = tmp_path_factory.mktemp("golden") / "small"
    folder.mkdir()
    (folder / "spec.json").write_text(json.dumps(spec))
    case = Case(spec, {"absolute.kp.value": np.zeros(0)})
    arrays: dict[str, np.ndarray] = {}

    def record(name: str, tensor: torch.Tensor) -> None:
        x = tensor.numpy()
        if name in WHOLE:
            arrays[name] = x.copy()
        elif name in SAMPLED:
            index = np.random.default_rng(0).choice(x.size, 50, replace=False)
            wide = x.astype(np.float64)
            arrays[f"{name}.index"], arrays[f"{name}.value"] = index, x.ravel()[index]
            arrays[f"{name}.shape"] = np.array(x.shape)
            arrays[f"{name}.stats"] = np.array([wide.mean(), wide.std(), wide.min(), wide.max()])

    verify.compute(verify.build(folder, case, golden.Comparer(case)), case, record)
    np.savez_compressed(folder / "golden.npz", **arrays)
    return folder


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
    assert f"agrees in all {len(WHOLE) + len(SAMPLED)} arrays" in text


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
    assert code == 1 and "first array that parts in the order of computation: absolute.prediction" in text


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
    assert code == 1 and "differs in 2 of 6 arrays" in text
    assert "first array that parts in the order of computation: absolute.mask" in text
    assert text.index("absolute.prediction") < text.index("absolute.mask")  # worst first


def test_nan_never_agrees(folder):
    edit(folder, lambda a: a["absolute.mask.value"].__setitem__(0, np.nan))
    assert run(folder)[0] == 1


def test_array_of_another_shape_and_an_unknown_one(folder):
    edit(folder, lambda a: a.update({"absolute.mask.shape": np.array([1, 5, 8, 512]), "absolute.unheard": np.ones(3)}))
    code, text = run(folder)
    assert code == 1
    assert "first array that parts in the order of computation: absolute.mask" in text
    assert "not computed, so not compared: absolute.unheard" in text


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
    ("change", "said"),
    [
        ({"networks": ["generator"]}, "does not fit our fomm"),
        ({"overrides": [{"pattern": "(", "scale": 1, "offset": 0}]}, "does not fit our fomm"),
        ({"config": {}}, "does not fit our fomm"),
        ({"model": ["fomm"]}, "unknown model"),
        ({"model": "foam"}, "unknown model 'foam'; known are dagan, fomm"),
    ],
)
def test_malformed_spec_is_one_line(folder, change, said):
    file = folder / "spec.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    with pytest.raises(UserError, match="spec.json") as error:
        run(folder)
    assert said in str(error.value) and "\n" not in str(error.value)


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
    with pytest.raises(UserError, match="golden.npz: the parts of .* do not fit each other"):
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
    with pytest.raises(UserError, match=f"no golden folder, {gone} is missing"):
        run(folder)
