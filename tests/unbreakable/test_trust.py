"""Nothing runs code that it was given, leaves the data it was given, or calls anybody."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.refused import refused

from baselines import checkpoints, registry
from baselines.card import card
from baselines.predictor import ModelError
from bench.detectors import compat, openface, syncnet
from bench.detectors import weights as detector_weights
from bench.metrics import lpips
from bench.runtime.errors import UserError, one_line
from protocols.custom_dataset import open_dataset
from protocols.errors import DataError
from protocols.images import read_rgb
from protocols.pairs import FrameRef, Pair, PairList

RUN = ["run", "--protocol", "own-sameid", "--detectors", "embedded", "--models", "copy-source", "--metrics", "l1"]
SCRIPT = "<script>alert(1)</script>"


class Payload:
    """Unpickled, it would create a folder."""

    def __init__(self, folder: Path):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (str(self.folder),)


READERS = {
    "detector weights": detector_weights.load,
    "OpenFace": openface.read,
    "SyncNet": syncnet.read,
    "companion of a checkpoint": checkpoints.load_flat,
    "checkpoint of the authors": checkpoints.load_official,
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("reader", READERS)
def test_a_planted_payload_does_not_run(reader, zipped, tmp_path):
    mark, file = tmp_path / "executed", tmp_path / "planted.pth"
    torch.save({"state_dict": {"a": torch.zeros(2)}, "b": Payload(mark)}, file, _use_new_zipfile_serialization=zipped)
    with pytest.raises((ModelError, UserError), match="planted.pth") as error:
        READERS[reader](file)
    assert not mark.exists()
    assert "weights_only" not in str(error.value) and str(error.value).isprintable()
    torch.load(file, weights_only=False)
    assert mark.is_dir(), "the payload works: only the reader kept it from running"


def test_a_planted_payload_beside_a_checkpoint_does_not_run(tmp_path):
    about = card("dagan")
    mark, file = tmp_path / "executed", tmp_path / "some.pth.tar"
    torch.save({name: {"x": torch.zeros(1)} for name in ("generator", "kp_detector")}, file)
    for companion in about.companions.values():
        torch.save({"a": Payload(mark)}, tmp_path / companion)
        with pytest.raises(ModelError, match=f"{companion} refused"):
            registry.load(f"dagan?weights={file}", weights=None, device=torch.device("cpu"))
        (tmp_path / companion).unlink()
    assert not mark.exists()


def test_a_planted_payload_in_a_backbone_does_not_run(tmp_path):
    mark = tmp_path / "executed"
    for name in ("alexnet-owt-7be5be79.pth", "vgg16-397923af.pth"):
        torch.save({"features.0.weight": Payload(mark)}, tmp_path / name)
    compat.repair()
    pytest.importorskip("lpips")
    with pytest.raises(UserError, match="alexnet-owt-7be5be79.pth"):
        lpips.lpips_alex(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64), tmp_path)
    assert not mark.exists()


def test_only_formats_that_hold_their_pictures_are_read(tmp_path):
    """Pillow would hand a PostScript file to Ghostscript."""
    file = tmp_path / "photo.png"
    Image.new("RGB", (64, 64)).save(file, "EPS")
    with refused(DataError, "unreadable-image"):
        read_rgb(file)


OUTSIDE = [
    "/etc/0000000",
    "../secret/0000000",
    "a/../../secret/0000000",
    "/etc/0000000",
    "a/./0000000",
    "a\\..\\b/0000000",
    "a//0000000",
]


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_list_cannot_name_frames_outside(bench, name, tmp_path):
    header = "id,source,driving,target,anchor,source_identity,driving_identity,alpha,beta\n"
    meta = {"format": "talking-head-bench pairs 1", "name": "x", "version": 1, "sha256": "", "provenance": {}}
    row = f"0001,mine/{name},mine/a/0000000,mine/a/0000000,,a,a,1.000000,1.000000\n"
    (tmp_path / "list.csv").write_text("# " + json.dumps(meta) + "\n" + header + row)
    frames(tmp_path / "mine" / "a")
    frames(tmp_path / "secret")
    ended = code, text = bench(*RUN, "--data", "mine=mine", "--pairs", "list.csv")
    assert code == 2 and ended.error == "bad-name" and "list.csv" in text


@pytest.mark.parametrize("what", ["clip", "frame", "video"])
def test_a_link_cannot_lead_outside(what, tmp_path):
    secret, root = tmp_path / "secret", tmp_path / "mine"
    frames(secret)
    frames(root / "a")
    (secret / "v.mp4").write_bytes(b"")
    if what == "clip":
        (root / "b").symlink_to(secret)
        ref = FrameRef("mine", "b", "0000000")
    elif what == "frame":
        (root / "a" / "0000009.png").symlink_to(secret / "0000000.png")
        ref = FrameRef("mine", "a", "0000009")
    else:
        (root / "v.mp4").symlink_to(secret / "v.mp4")
        ref = FrameRef("mine", "v.mp4", "0000000")
    dataset = open_dataset("mine", root)
    with refused(DataError, "link-leads-out"):
        dataset.frame(ref, 64)


def test_every_name_is_escaped_in_the_report(bench, tmp_path, sample_set):
    """Clips, identities, models and the name of the run, all hostile."""
    clip = "<img src=x onerror=alert(1)>" + SCRIPT.replace("/", "")
    frames(tmp_path / "mine" / clip, 4)
    refs = [FrameRef("mine", clip, f"{number:07d}") for number in range(4)]
    pairs = tuple(Pair(f"{n:04d}", refs[0], ref, ref, None, SCRIPT, SCRIPT) for n, ref in enumerate(refs))
    PairList(SCRIPT, 1, pairs, {"note": SCRIPT}).write(tmp_path / "list.csv")
    (tmp_path / SCRIPT).mkdir(parents=True)
    for number in (0, 1, 3):  # one pair fails
        Image.new("RGB", (256, 256), "gray").save(tmp_path / SCRIPT / f"{number:04d}.png")
    asked = ["--models", f"frames:{SCRIPT}", "--data", "mine=mine", "--pairs", "list.csv", "--name", SCRIPT]
    code, text = bench(*RUN[:-4], "--metrics", "l1,akd", *asked)
    assert code == 1, text
    (report,) = (tmp_path / "runs").glob("*/report.html")
    page = report.read_text()
    assert "&lt;script&gt;" in page and "onerror=alert" in page
    assert "<script" not in page and "<img src=x" not in page
    code, text = bench("compare", report.parent, "--models", f"frames:{SCRIPT},copy-source", "--html", "c.html")
    assert code == 0, text
    page = (tmp_path / "c.html").read_text()
    assert "&lt;script&gt;" in page
    assert "<script" not in page and "<img src=x" not in page


def test_messages_do_not_drive_the_terminal(bench, tmp_path):
    name = "clear\x1b[2J\x07screen\n[bold]x[/bold]\u202e.csv"
    code, text = bench("pairs", "show", name)
    assert code == 2
    (line,) = text.splitlines()
    assert line.isprintable() and "[bold]x[/bold]" in line
    assert one_line("é\x1b[2J") == "é\\x1b[2J"


class Called(Exception):
    """Somebody was called."""


@pytest.fixture
def no_network(monkeypatch):
    """Any look-up or connection raises."""

    def refuse(*arguments, **options):
        raise Called(str(arguments))

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)


def test_no_command_calls_anybody_unless_it_is_a_download(bench, no_network, sample_set, tmp_path):
    """The sample set is built already; building it fetches two packages with pip, where they are not installed."""
    frames(tmp_path / "mine" / "a", 3)
    for command in (
        ["list", "models"],
        ["list", "metrics"],
        ["list", "protocols"],
        ["doctor"],
        ["explain", "ssim"],
        ["weights"],
        ["pairs", "make", "--data", "mine=mine", "--n", 2, "--out", "mine.csv"],
        ["run", "--protocol", "vox1-sameid", "--models", "fomm", "--limit", 2, "--batch-size", 2, "--name", "x"],
        ["report", "runs/x"],
        ["compare", "runs/x", "--models", "fomm,copy-source"],
        ["animate", "--model", "tpsm", "--source", "mine/a/0000000.png", "--driving", "mine/a", "--limit", 1],
    ):
        code, text = bench(*command)
        assert code == 0, (command, text)
    with pytest.raises(Called):
        socket.create_connection(("127.0.0.1", 9))


def frames(folder: Path, n: int = 2) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(n):
        noise = np.random.default_rng(number).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((256, 256)).save(folder / f"{number:07d}.png")
