"""Reading and refusing checkpoint files."""

from __future__ import annotations

import copy
import os
import pickle
import zipfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from support.refused import refused
from support.small_networks import ALL, CLASSES, CONFIGS, OFFICIAL, official_content, place, small

from baselines import checkpoints, registry
from baselines.card import MODELS, card, find_weights
from baselines.checkpoints import Checkpoint
from baselines.predictor import ModelError

CPU = torch.device("cpu")


# Each network for its neighbors, and for those four away: with and without SPADE.
MISTAKEN = [
    (model, OFFICIAL[(at + away) % len(OFFICIAL)]) for at, model in enumerate(OFFICIAL) for away in (-4, -1, 1, 4)
]


@pytest.fixture(scope="module")
def networks():
    return {model: small(model) for model in ALL}


def load(model, folder):
    return registry.load(model, weights=folder, device=CPU)


def equal(predictor, network):
    own, given = predictor.network.state_dict(), network.state_dict()
    return own.keys() == given.keys() and all(torch.equal(own[key], given[key]) for key in own)


@pytest.mark.parametrize("model", OFFICIAL)
@pytest.mark.parametrize("prefix", ["", "module."])
def test_official_layout_is_read(model, prefix, networks, tmp_path):
    config, network = networks[model]
    file = place(tmp_path, model, official_content(network, prefix), config)
    predictor = load(model, tmp_path)
    assert equal(predictor, network)
    facts = predictor.describe()
    assert facts["weights_file"] == file.name and not facts["sample_weights"]
    assert facts["parameters"] == sum(p.numel() for p in network.parameters())
    assert not predictor.network.training


def test_depth_networks_lie_in_files_of_their_own(networks, tmp_path):
    """DaGAN's, with entries that are no tensors; and X2Face's whole network, under the name ``state_dict``."""
    config, network = networks["dagan"]
    content = official_content(network)
    depth = {name: content.pop(f"depth_{name}") for name in ("encoder", "decoder")}
    file = place(tmp_path, "dagan", content, config)
    with pytest.raises(ModelError, match="lacks depth_encoder"):
        load("dagan", tmp_path)
    extra = {"height": 192, "width": 640, "use_stereo": False}
    torch.save(dict(depth["encoder"]) | extra, file.with_name("encoder.pth"))
    torch.save(dict(depth["decoder"]), file.with_name("depth.pth"))
    assert find_weights(card("dagan"), tmp_path) == file
    assert equal(load("dagan", tmp_path), network)


def test_x2face_and_its_pose_networks(networks, tmp_path):
    config, network = networks["x2face"]
    states = {name: part.state_dict() for name, part in network.named_children()}
    bare = {key: value for key, value in states["model"].items() if not key.endswith("num_batches_tracked")}
    place(tmp_path, "x2face", {"state_dict": bare, "optimizer": {"state": {}}}, config | {"pose": False})
    assert load("x2face", tmp_path).network.posereg is None
    for name in ("posereg", "posetobottle"):
        torch.save({"state_dict": states[name]}, tmp_path / "x2face" / f"{name}.pth")
    place(tmp_path, "x2face", {"state_dict": bare, "optimizer": {"state": {}}}, config)
    assert torch.equal(
        load("x2face", tmp_path).network.posereg.posefrombottle.weight, states["posereg"]["posefrombottle.weight"]
    )


def test_beta_checkpoints_of_face_vid2vid(networks, tmp_path):
    """They have no downsampling kernel, and turn about other axes."""
    config, network = networks["fv2v"]
    states = {name: part.state_dict() for name, part in network.named_children()}
    del states["kp_detector"]["down.weight"]
    read = registry.network_class("fv2v").infer_config(card("fv2v"), Checkpoint(Path("x"), states, None, {}))
    assert read["beta_axes"] is True and read["kp_detector_params"]["scale_factor"] == 1


def test_random_weights_are_always_the_same_and_said(monkeypatch):
    monkeypatch.setitem(vars(card("fomm+scale")), "config", CONFIGS["fomm+scale"])  # small
    first, second = (registry.load("fomm+scale?weights=untrained", weights=None, device=CPU) for _ in range(2))
    assert equal(first, second.network)
    facts = first.describe()
    assert facts["untrained"] is True and facts["weights_file"] is None and facts["variant_of"] == "fomm"
    monkeypatch.setattr(type(card("fomm")), "sample", property(lambda self: Path("none")))
    with refused(ModelError, "missing-weights"):
        registry.load("liveportrait", weights=None, device=CPU)


def test_files_of_old_torch_are_read(networks, tmp_path):
    """The published FOMM checkpoints are not zip files, and older ones lack the counters of batch norm."""
    config, network = networks["fomm"]
    content = official_content(network)
    for name in ("generator", "kp_detector"):
        content[name] = {k: v for k, v in content[name].items() if not k.endswith("num_batches_tracked")}
    file = place(tmp_path, "fomm", content, config, _use_new_zipfile_serialization=False)
    assert not zipfile.is_zipfile(file)
    predictor = load("fomm", tmp_path)
    assert torch.equal(predictor.network.generator.final.weight, network.generator.final.weight)


def test_half_precision_becomes_float32(networks, tmp_path):
    config, network = networks["fomm"]
    content = official_content(network)
    content["generator"] = {k: v.half() if v.is_floating_point() else v for k, v in content["generator"].items()}
    place(tmp_path, "fomm", content, config)
    assert {p.dtype for p in load("fomm", tmp_path).network.parameters()} == {torch.float32}


@pytest.mark.parametrize("model", ALL)
def test_sample_round_trip(model, networks, tmp_path):
    config, network = networks[model]
    file = tmp_path / "x.safetensors"
    checkpoints.save_sample(file, model, network, config, {"steps": 12})
    assert load(f"{model}?weights={file}", None).describe()["training"] == {"steps": 12}
    assert equal(load(f"{model}?weights={file}", None), network)
    found = checkpoints.load_sample(file)
    assert found.config == config and found.facts == {"steps": 12} and found.model == model
    assert set(found.states) == {name for name, _ in network.named_children()}
    assert not list(tmp_path.glob(".*.tmp"))


SIZES = {"fomm": 59790759, "tpsm": 87679142, "mcnet": 101841273, "lia": 45116317, "liveportrait": 130077432}


@pytest.mark.parametrize(("model", "parameters"), SIZES.items())
def test_official_configuration_has_the_official_size(model, parameters):
    """Parameters of all networks in the official files, discriminators left out."""
    with torch.device("meta"):
        network = CLASSES[model](card(model).config)
    assert sum(p.numel() for p in network.parameters()) == parameters


COUNTS = {
    "fomm": "common_params.num_kp",
    "mcnet": "common_params.num_kp",
    "dagan": "common_params.num_kp",
    "dagan-spade": "common_params.num_kp",
    "fv2v": "common_params.num_kp",
    "fv2v-spade": "common_params.num_kp",
    "tpsm": "common_params.num_tps",
    "mraa": "num_regions",
    "x2face": "inner_nc",
    "lia": "motion_dim",
}


@pytest.mark.parametrize("model", OFFICIAL)
def test_number_of_keypoints_comes_from_the_shapes(model, networks):
    def count(config):
        for key in COUNTS[model].split("."):
            config = config[key]
        return config

    config, network = networks[model]
    states = {name: part.state_dict() for name, part in network.named_children()}
    official = count(card(model).config)
    read = registry.network_class(model).infer_config(card(model), Checkpoint(Path("x"), states, None, {}))
    assert count(read) == count(config) != official
    assert count(card(model).config) == official  # the card stays as it is


def test_tpsm_without_background_and_avd(networks, tmp_path):
    config, network = networks["tpsm"]
    content = official_content(network)
    del content["bg_predictor"], content["avd_network"]
    reduced = {**config, "common_params": {**config["common_params"], "bg": False}, "avd_network_params": None}
    place(tmp_path, "tpsm", content, reduced)
    assert load("tpsm", tmp_path).motion_modes == ("absolute", "relative", "relative-adapt")


class Payload:
    """Unpickled, it would create a folder."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_checkpoint_does_not_run(zipped, networks, tmp_path):
    mark = tmp_path / "executed"
    content = official_content(networks["fomm"][1]) | {"extra": Payload(mark)}
    file = place(tmp_path, "fomm", content, None, _use_new_zipfile_serialization=zipped)
    with refused(ModelError, "unsafe-file") as error:
        load("fomm", tmp_path)
    assert "\n" not in str(error.value) and str(file) in str(error.value)
    assert not mark.exists()
    torch.load(file, weights_only=False)  # the payload works: only the reader kept it from running
    assert mark.is_dir()


@pytest.mark.parametrize(("function", "name"), [(eval, "eval"), (os.system, r"(posix|nt)\.system")])
def test_refusals_do_not_advise_to_run_the_code(function, name, tmp_path):
    """Torch's own message offers to load the file all the same."""

    class Call:
        def __reduce__(self):
            return function, ("1",)

    file = tmp_path / "x.pth.tar"
    torch.save({"generator": Call()}, file)
    with pytest.raises(ModelError, match=rf"refused: .*\((builtins\.)?{name}\)") as unsafe:
        checkpoints.load_official(file)
    file.write_bytes(pickle.dumps(Call(), protocol=4))
    with refused(ModelError, "unreadable-checkpoint", "torch.save") as damaged:
        checkpoints.load_official(file)
    for error in (unsafe, damaged):
        assert "weights_only" not in str(error.value) and "\x1b" not in str(error.value)


def test_damaged_files(networks, tmp_path):
    config, network = networks["fomm"]
    for options in ({}, {"_use_new_zipfile_serialization": False}):
        file = place(tmp_path, "fomm", official_content(network), config, **options)
        whole = file.read_bytes()
        for size in (0, 100, len(whole) // 2, len(whole) - 1000):
            file.write_bytes(whole[:size])
            with refused(ModelError, "unreadable-checkpoint") as error:
                load("fomm", tmp_path)
            assert "\n" not in str(error.value)
    file.write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(ModelError):
        load("fomm", tmp_path)
    torch.save(torch.zeros(3), file)
    with refused(ModelError, "not-a-checkpoint"):
        load("fomm", tmp_path)
    sample = tmp_path / "x.safetensors"
    checkpoints.save_sample(sample, "fomm", network, config, {})
    sample.write_bytes(sample.read_bytes()[:-50])
    with refused(ModelError, "unreadable-checkpoint", "x.safetensors"):
        load(f"fomm?weights={sample}", None)


@pytest.mark.parametrize(("model", "asked"), MISTAKEN)
@pytest.mark.parametrize("form", ["official", "sample"])
def test_a_checkpoint_of_another_network_is_named(model, asked, form, networks, tmp_path):
    config, network = networks[model]
    file = tmp_path / "x.safetensors"
    checkpoints.save_sample(file, model, network, config, {})
    if form == "official":
        file = place(tmp_path, asked, official_content(network), None)
    with refused(ModelError, "other-network", f" {card(model).title} ", card(asked).title) as error:
        load(f"{asked}?weights={file}", None)
    assert "\n" not in str(error.value)


def test_differing_keys_are_named(networks, tmp_path):
    config, network = networks["fomm"]
    content = official_content(network)
    content["generator"]["module.final.scale"] = torch.ones(1)
    del content["generator"]["module.final.bias"]
    content["kp_detector"]["module.kp.bias"] = torch.ones(7)
    place(tmp_path, "fomm", content, config)
    with pytest.raises(ModelError) as error:
        load("fomm", tmp_path)
    text = str(error.value)
    assert "lacks generator.final.bias" in text and "unknown generator.final.scale" in text
    assert "kp_detector.kp.bias (7,) instead of (5,)" in text
    place(tmp_path, "fomm", official_content(network), None)
    (tmp_path / "fomm" / "some.pth.tar.json").unlink()
    with refused(ModelError, "other-network"):
        load("fomm", tmp_path)


def test_where_files_are_looked_for(tmp_path):
    fomm = card("fomm")
    assert find_weights(fomm, None) is None and find_weights(fomm, tmp_path) is None
    with refused(ModelError, "missing-folder"):
        find_weights(fomm, tmp_path / "nowhere")
    (tmp_path / "other.pth.tar").touch()
    (tmp_path / "vox.pth.tar").touch()
    assert find_weights(fomm, tmp_path) is None
    assert find_weights(card("tpsm"), tmp_path) == tmp_path / "vox.pth.tar"
    (tmp_path / "vox-cpk.pth.tar").touch()
    assert find_weights(fomm, tmp_path).name == "vox-cpk.pth.tar"
    (tmp_path / "vox-adv-cpk.pth.tar").touch()
    with refused(ModelError, "ambiguous-weights", "vox-cpk.pth.tar", "vox-adv-cpk.pth.tar", "weights=FILE"):
        find_weights(fomm, tmp_path)
    (tmp_path / "fomm").mkdir()
    (tmp_path / "fomm" / "mine.safetensors").touch()
    assert find_weights(fomm, tmp_path).name == "mine.safetensors"


def test_official_files_are_listed():
    files = registry.official_files()
    assert {entry["model"] for entry in files} == {name for name in MODELS if card(name).files}
    assert {"vox-cpk.pth.tar", "vox.pth.tar", "mcnet.pth.tar"} <= {entry["file"] for entry in files}
    assert all(entry[key] for entry in files for key in ("repository", "license", "folder"))


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(number, networks, tmp_path):
    config, network = networks["fomm"]
    spoilt = copy.deepcopy(network)
    next(spoilt.generator.parameters()).data.view(-1)[3] = number
    place(tmp_path, "fomm", official_content(spoilt, ""), config)
    with pytest.raises(ModelError) as error:
        load("fomm", tmp_path)
    assert error.value.code == "bad-value"


def test_whole_numbers_in_place_of_weights_are_refused(networks, tmp_path):
    config, network = networks["fomm"]
    file = tmp_path / "x.safetensors"
    parts = {name: copy.deepcopy(part) for name, part in network.named_children()}
    key, weight = next((key, value) for key, value in parts["generator"].named_parameters())
    owner, _, attribute = key.rpartition(".")
    module = parts["generator"].get_submodule(owner)
    delattr(module, attribute)
    module.register_buffer(attribute, weight.detach().int())
    checkpoints.save_sample(file, "fomm", parts, config, {})
    with refused(ModelError, "not-a-checkpoint", "x.safetensors", key):
        registry.load(f"fomm?weights={file}", weights=None, device=CPU)


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_facts_that_no_manifest_can_hold_are_refused(number, tmp_path):
    metadata = {"format": "pt", "model": "fomm", "config": "{}", "training": f'{{"steps": {number}}}'}
    save_file({"a.b": torch.zeros(1)}, tmp_path / "x.safetensors", metadata)
    with refused(ModelError, "unreadable-checkpoint", "x.safetensors"):
        checkpoints.load(tmp_path / "x.safetensors")
