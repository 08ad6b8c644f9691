"""The list of published files agrees with what reads them; the check tells right files from wrong ones."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
import socket
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from support.command_line import call as call_bench
from support.refused import refused

from baselines import card as cards
from baselines import checkpoints
from baselines.card import MODELS, card
from baselines.dagan.depth import DepthEncoder
from baselines.registry import network_class
from baselines.synthetic_weights import fill_spec
from bench.detectors import (
    arcface,
    dlib68,
    dlib_identity,
    face_alignment_2d,
    openface,
    openpose,
    perceptual,
    pyfeat,
    syncnet,
)
from bench.runtime.errors import UserError
from bench.weights import files as weights
from bench.weights.check import UNKNOWN, WRONG, verify
from bench.weights.files import WeightFile
from protocols.errors import BenchError

Bench = Callable[..., tuple[int, str]]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty weights folder on a machine that has no weights elsewhere."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr(pyfeat, "resources", lambda: None)
    folder = tmp_path / "weights"
    folder.mkdir()
    return folder


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Bench:
    """Exit code and printed text of `bench weights …`; whatever reaches for the network fails."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TALKING_HEAD_BENCH_WEIGHTS", raising=False)

    def refuse(*_: object) -> None:
        raise AssertionError("reached for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)

    def call(*arguments: object) -> tuple[int, str]:
        return call_bench(monkeypatch, capsys, "weights", *arguments)

    return call


def sample_as_published(folder: Path, model: str, name: str) -> Path:
    """The sample checkpoint of a model in the authors' layout, with the configuration of its widths beside it."""
    sample = checkpoints.load(card(model).sample)
    content = {name: {f"module.{key}": value for key, value in state.items()} for name, state in sample.states.items()}
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save({**content, "epoch": 99}, file)
    file.with_name(file.name + ".json").write_text(json.dumps(sample.config))
    return file


def by_id(id: str, folder: Path) -> WeightFile:
    return next(file for file in weights.files(folder) if file.id == id)


def test_the_list_has_every_file_that_anything_reads(folder):
    listed = weights.files(folder)
    names = {file.name for file in listed}
    assert {*perceptual.BACKBONES.values(), face_alignment_2d.NETWORK, face_alignment_2d.FINDER} <= names
    assert {openface.FILE, openpose.FILE, arcface.FILE, syncnet.FILE, dlib68.FILE, dlib_identity.FILE} <= names
    assert {(file.hub, file.name) for file in listed if file.hub} == {entry[:2] for entry in pyfeat.FILES}
    for name in MODELS:
        about = card(name)
        own = {file.name for file in listed if name in file.models}
        assert own == {*about.published}
        assert bool(own) or about.of or name in weights.unpublished()
    assert cards.unavailable().keys() <= weights.unpublished().keys()


def test_every_file_says_all_that_is_asked(folder):
    for file in weights.files(folder):
        assert all((file.id, file.name, file.used_for, file.license, file.source, file.way, file.place)), file
        assert file.address or file.package or file.person
        assert not file.address or re.fullmatch(r"https?://\S+/" + re.escape(file.name), file.address)
        assert file.kind == "package" or not file.found
        assert file.megabytes is None or file.at_least_mb is None
        # No checksum but those that publishers state: in the file's name, or in the package's record.
        stated = re.search(r"-([0-9a-f]{8,})\.", file.name)
        inside = file.package and file.found
        assert file.sha256 == (file.sha256 if inside else stated[1] if stated else "")


@pytest.mark.parametrize("package", ["torchvision", "face_alignment"])
def test_addresses_are_those_in_the_libraries(package, folder):
    spec = importlib.util.find_spec(package)
    if spec is None:
        pytest.skip(f"{package} is not installed")
    text = "".join(file.read_text(encoding="utf-8") for file in Path(spec.origin).parent.rglob("*.py"))
    host = {"torchvision": "download.pytorch.org", "face_alignment": "www.adrianbulat.com"}[package]
    own = [file for file in weights.files(folder) if host in file.address]
    assert len(own) >= 2
    for file in own:
        assert f'"{file.address}"' in text or f"'{file.address}'" in text
        if package == "torchvision":  # it states the size in units of 2^20 bytes
            size = re.search(rf'{re.escape(file.name)}.*?"_file_size": ([\d.]+)', text, re.DOTALL)
            assert abs(float(size[1]) * 2**20 / 1e6 - file.megabytes) < 1


@pytest.mark.parametrize("name", [name for name in MODELS if card(name).files])
def test_sizes_are_those_of_the_networks(name, folder):
    about = card(name)
    network = network_class(name)(about, None, torch.device("meta")).network
    for file in weights.files(folder):
        if file.at_least_mb is None or file.models[:1] != (name,):
            continue
        parts = about.beside.get(file.name, set(about.networks) - set(about.companions))
        tensors = [value for part in parts for value in getattr(network, part).state_dict().values()]
        assert int(sum(value.numel() * value.element_size() for value in tensors) / 1e6) == file.at_least_mb


def test_the_list_tells_what_is_there(folder, bench):
    code, before = bench("--weights", folder)
    assert code == 0
    for file in weights.files(folder):
        facts = [f"{file.id}: {file.name}, for {file.used_for}", f"  from    {file.source}", f"  get     {file.way}"]
        facts += [f"  license {file.license}", f"  size    {file.size}; {file.checksum}", f"  place   {file.place}"]
        facts.append(f"  found   {file.found}" if file.found else "  missing")
        assert "\n".join(facts) in before
    assert all(reason in before for reason in weights.unpublished().values())
    file = folder / "tpsm" / "vox.pth.tar"
    file.parent.mkdir()
    file.touch()
    (folder / openface.FILE).touch()
    code, after = bench("--weights", folder)
    assert f"found   {file}" in after and f"found   {folder / openface.FILE}" in after
    assert after.count("  missing") == before.count("  missing") - 2


def test_the_list_without_a_folder(bench):
    code, text = bench()
    assert code == 0 and f"place   {weights.FOLDER}/fomm/vox-cpk.pth.tar" in text and "folder: none" in text


def in_published_sizes(folder: Path, model: str, name: str) -> Path:
    """Random networks of the published sizes, in half precision, in the authors' layout."""
    network = network_class(model)(card(model), None, torch.device("cpu")).network
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save({name: part.half().state_dict() for name, part in network.named_children()}, file)
    return file


@pytest.mark.slow  # builds, writes and reads a network of the published size
def test_what_holds_the_right_networks_is_unverified(folder, bench, monkeypatch):
    """Random numbers in the right sizes look like any others: only a checksum tells."""
    random = in_published_sizes(folder, "fomm", "fomm/vox-cpk.pth.tar")
    other = sample_as_published(folder, "mcnet", "mcnet/mine.pth.tar")
    (folder / "tpsm").mkdir()
    own = folder / "tpsm" / "tpsm.safetensors"
    own.write_bytes(card("tpsm").sample.read_bytes())
    code, text = bench("check", "--weights", folder)
    assert code == 0, text
    lines = {tuple(line.split(maxsplit=2)[:2]): line for line in text.splitlines()}
    for word, file, network, checksum in (
        ("unverified", random, "FOMM;", False),
        ("unverified", other, "MCNet;", None),
        ("own", own, "TPSM;", None),
    ):
        line = lines[word, f"{file}:"]
        assert network in line and (UNKNOWN in line) == (checksum is False), line
    embedded = sum(file.kind == "package" for file in weights.files(folder))
    assert text.count("as stated") == embedded and f"{embedded + 3} checked, 0 wrong, 2 unverified" in text
    known = {random.name: hashlib.sha256(random.read_bytes()).hexdigest()}
    monkeypatch.setitem(vars(card("fomm")), "checksums", known)  # as if its publisher stated it
    text = bench("check", "fomm", "--weights", folder)[1]
    assert f"ok         {random}: " in text and "FOMM" in text and "0 unverified" in text


def test_a_small_checkpoint_under_a_published_name_is_not_the_published_file(folder, bench):
    sample_as_published(folder, "fomm", "fomm/vox-cpk.pth.tar")
    code, text = bench("check", "fomm", "--weights", folder)
    assert code == 1 and f"vox-cpk.pth.tar {WRONG}: " in text and "FOMM" in text and "1 wrong" in text
    with refused(UserError, "changed-file", "vox-cpk.pth.tar", "FOMM"):
        verify(by_id("fomm", folder), folder / "fomm" / "vox-cpk.pth.tar")


def test_wrong_files_are_told_one_by_one(folder, bench):
    sample_as_published(folder, "fomm", "mcnet/mcnet.pth.tar")
    (folder / "tpsm").mkdir()
    (folder / "tpsm" / "vox.pth.tar").write_bytes(b"<html>sign in to download</html>")
    (folder / face_alignment_2d.NETWORK).write_bytes(b"half of it")
    torch.save({"layer25.weight": torch.zeros(2)}, folder / openface.FILE)
    right = sample_as_published(folder, "fomm", "fomm/mine.pth.tar")
    code, text = bench("check", "--weights", folder)
    lines = [line for line in text.splitlines() if line.startswith("WRONG")]
    assert code == 1 and len(lines) == 4 and "4 wrong" in text and f"unverified {right}" in text
    for line, words in zip(
        sorted(lines),
        [
            ("face-alignment:", WRONG, "11f355bf06"),
            ("mcnet:", "FOMM"),
            ("openface:", "OpenFace"),
            ("tpsm:", "vox.pth.tar"),
        ],
    ):
        assert all(word in line for word in words), line
    assert bench("check", "fomm", "--weights", folder)[0] == 0


class Code:
    """Leaves a mark if it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


@pytest.mark.parametrize("name", ["fomm/vox-cpk.pth.tar", openface.FILE, openpose.FILE, arcface.FILE, syncnet.FILE])
def test_nothing_in_a_file_is_run(name, folder, bench, tmp_path):
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    torch.save({"generator": Code(tmp_path / "ran")}, file)
    code, text = bench("check", "--weights", folder)
    assert code == 1 and "1 wrong" in text
    assert not (tmp_path / "ran").exists()


def test_several_that_could_be_meant_are_noted(folder, bench):
    for name in card("fomm").files:
        sample_as_published(folder, "fomm", f"fomm/{name}")
    code, text = bench("check", "fomm", "--weights", folder)
    assert code == 1 and text.count(f" {WRONG}: ") == 2 and "2 wrong" in text
    (note,) = [line for line in text.splitlines() if line.startswith("note ")]
    assert "fomm: " in note and all(name in note for name in card("fomm").files)


def test_an_openface_file_is_run_once(folder):
    spec = json.loads((Path(__file__).parents[1] / "detectors/golden/openface/spec.json").read_text())
    state = fill_spec(spec)["openface"]
    torch.save(state, folder / openface.FILE)
    file = by_id("openface", folder)
    assert "OpenFace" in verify(file, file.found).message
    del state["layer21.seq_list.0.4_conv.weight"]
    torch.save(state, folder / openface.FILE)
    with pytest.raises(UserError, match="layer21.seq_list.0.4_conv.weight"):
        verify(file, file.found)


def test_a_network_in_a_file_of_its_own(folder):
    """DaGAN's depth encoder: next to the tensors, its file has plain numbers."""
    (folder / "dagan").mkdir()
    path = folder / "dagan" / "encoder.pth"
    torch.save({**DepthEncoder().state_dict(), "height": 192, "use_stereo": False}, path)
    file = next(file for file in weights.files(folder) if file.found == path)
    assert "depth_encoder" in verify(file, path).message
    torch.save({"encoder.conv1.weight": torch.zeros(64, 3, 7, 7)}, path)
    with pytest.raises(Exception, match="not a DaGAN checkpoint"):
        verify(file, path)


@pytest.mark.slow
def test_a_generator_without_its_companions_is_noted(folder):
    about = card("dagan")
    network = network_class("dagan")(about, None, torch.device("cpu")).network
    content = {name: getattr(network, name).state_dict() for name in ("generator", "kp_detector")}
    path = folder / "dagan" / about.files[0]
    path.parent.mkdir()
    torch.save(content, path)
    file = next(file for file in weights.files(folder) if file.found == path)
    verdict = verify(file, path)
    assert verdict.word == "unverified" and all(
        name in verdict.message for name in ("DaGAN", *about.companions.values())
    )
    for part, name in about.companions.items():
        torch.save(getattr(network, part).state_dict(), path.parent / name)
    found = verify(file, path).message
    assert about.title in found and not any(name in found for name in about.companions.values())


@pytest.mark.slow
def test_one_name_for_two_decoders(folder):
    """face-vid2vid's two checkpoints have one file name; either is right, and it is said which it is."""
    path = folder / "fv2v" / card("fv2v").files[0]
    path.parent.mkdir()
    network = network_class("fv2v-spade")(card("fv2v-spade"), None, torch.device("cpu")).network
    torch.save({name: part.half().state_dict() for name, part in network.named_children()}, path)
    file = next(file for file in weights.files(folder) if file.found == path)
    assert file.models == ("fv2v", "fv2v-spade")
    assert f"{card('fv2v-spade').title};" in verify(file, path).message


@pytest.mark.parametrize("end", ["json", "safetensors", "skops", "pth.tar"])
def test_files_of_other_libraries_must_open(end, tmp_path):
    path = tmp_path / f"net.{end}"
    file = WeightFile("net", path.name, "tests", "MIT")
    if end == "json":
        path.write_text("{}")
    elif end == "safetensors":
        save_file({"weight": torch.zeros(3)}, path)
    elif end == "skops":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("schema.json", "{}")
    else:
        torch.save({"state_dict": {"weight": torch.zeros(3)}}, path)
    assert verify(file, path).word == "unverified"
    path.write_bytes(path.read_bytes()[:-1])
    with refused(BenchError, "unreadable-checkpoint", path):
        verify(file, path)


def test_the_hubs_cache_states_the_checksum(folder, tmp_path, monkeypatch):
    """The blob of a large file is called by its SHA-256, that of a small one by another hash."""
    monkeypatch.setattr(pyfeat, "resources", lambda: tmp_path)
    blobs = {"pose_mlp_v2.json": "ab" * 20, "pose_mlp_v2.safetensors": "cd" * 32}
    base = tmp_path / "models--py-feat--pose_mlp_v2"
    for part in ("refs", "blobs", "snapshots/r1"):
        (base / part).mkdir(parents=True)
    (base / "refs" / "main").write_text("r1")
    for name, blob in blobs.items():
        (base / "blobs" / blob).write_text("{}")
        (base / "snapshots" / "r1" / name).symlink_to(base / "blobs" / blob)
    found = {file.name: file for file in weights.files(folder) if file.found and file.hub}
    assert found.keys() == blobs.keys()
    assert "JSON" in verify(found["pose_mlp_v2.json"], found["pose_mlp_v2.json"].found).message
    large = found["pose_mlp_v2.safetensors"]
    with refused(UserError, "changed-file"):
        verify(large, large.found)


def test_mistakes_of_the_user(folder, bench):
    for arguments, words in (
        (("check", "dagann", "--weights", folder), "did you mean dagan"),
        (("check", "--weights", folder / "no"), "does not exist"),
        (("--weights", folder / "no"), "does not exist"),
    ):
        code, text = bench(*arguments)
        assert code == 2 and words in text and len(text.splitlines()) == 1
