"""Bad files by the hundred, through the command line: each ends in one line that names the file.

Never a traceback, never a hang. What can still be read (a video cut behind its tenth frame) is read; where the format
has checksums (PNG, frozen lists, our own tables), what is read is then what was written.
By default each place is tried with every 25th file; with ``-m slow`` with every kind of file, and every seventh of
those that are damaged at random. ``-s`` prints what was said.
"""

from __future__ import annotations

import errno
import json
import os
import re
import shutil
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support import bad_files, golden_cases

from bench.cli.animate import animate as _  # noqa: F401 (imported before the first trial is timed)
from protocols.images import read_rgb

SECONDS = 120.0  # for one file, on a busy machine
EVERY = 25
RANDOM = re.compile(r".*(cut|bytes|zeros|turned|tail|lines|value)(\d+)")
SAME = {"--protocol": "vox1-sameid", "--models": "copy-source", "--metrics": "l1", "--detectors": "embedded"}
OWN = SAME | {"--protocol": "own-sameid"}


def some(number: int, name: str) -> bool:
    """Whether this file is tried by default."""
    return number % EVERY == 0


def all_kinds(number: int, name: str) -> bool:
    """Whether it is tried by the slow tests. Seven has no divisor in common with the rounds of kinds."""
    random = RANDOM.fullmatch(name)
    return random is None or int(random[2]) % 7 == 0


@pytest.fixture(params=[some, pytest.param(all_kinds, marks=pytest.mark.slow)], ids=["some", "all kinds"])
def chosen(request) -> Callable[[int, str], bool]:
    return request.param


@pytest.fixture
def listener():
    """A port of this machine that counts who calls."""
    calls = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        stopped = threading.Event()

        def listen():
            while not stopped.is_set():
                try:
                    calls.append(server.accept()[0].close())
                except TimeoutError:
                    continue

        thread = threading.Thread(target=listen)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/segment.mp4", calls
        stopped.set()
        thread.join()


class Trials:
    """Gives each of `files` to the command line in the place `file` and judges the answer."""

    def __init__(self, bench, capsys, chosen: Callable[[int, str], bool]):
        self.bench, self.capsys, self.chosen = bench, capsys, chosen
        self.said: Counter[str] = Counter()
        self.names: dict[str, str] = {}
        self.problems: list[str] = []

    def __call__(
        self,
        files: Iterable[tuple[str, bytes]],
        file: Path,
        *arguments: object,
        names: str | None = None,
        before: Callable[[], None] = lambda: None,
        read: Callable[[str], None] = lambda name: None,
    ) -> None:
        """names: what the message has to name, by default the file. read: called where a file was taken for good."""
        file.parent.mkdir(parents=True, exist_ok=True)
        for number, (name, content) in enumerate(files):
            if not self.chosen(number, name):
                continue
            before()
            file.write_bytes(content)
            start = time.monotonic()
            try:
                code, text = self.bench(*arguments)
            except BaseException as error:  # what the command line lets through, its user would see as a traceback
                code, text = 1, f"Traceback: {type(error).__name__}: {error}"
            seconds = time.monotonic() - start
            lines = [line for line in text.splitlines() if line.startswith(("error: ", "stopped: "))]
            if not lines:  # a pair that failed, told after the table; or a verdict
                lines = [line for line in text.splitlines() if " pairs failed: " in line or ": differs in " in line]
            if seconds > SECONDS or "Traceback" in text:
                self.problems.append(f"{file.name} {name}: {seconds:.0f} s, {text[-500:]}")
            elif code == 0:
                read(name)
                self.said["(read)"] += 1
            elif len(lines) != 1 or not lines[0].isprintable() or (names or file.name) not in lines[0]:
                self.problems.append(f"{file.name} {name}: code {code}, {lines or text[-300:]}")
            else:
                line = self.general(lines[0], file)
                self.said[line] += 1
                self.names.setdefault(line, name)

    @staticmethod
    def general(line: str, file: Path) -> str:
        return re.sub(r"\S*" + re.escape(file.name), "FILE", line)

    def show(self, title: str) -> None:
        with self.capsys.disabled():
            print(f"\n{title}: {self.said.total()} files")
            for line, count in self.said.most_common():
                print(f"  {count:4d}  {line[:230]}   [{self.names.get(line, '')}]")


@pytest.fixture
def trials(bench, capsys, chosen, request):
    made = Trials(bench, capsys, chosen)
    yield made
    if request.config.option.capture == "no":
        made.show(request.node.name)
    assert not made.problems, "\n".join(made.problems)


def photograph() -> Image.Image:
    rng = np.random.default_rng(1)
    return Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).resize((256, 256))


def frames(folder: Path, n: int = 3) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(n):
        photograph().rotate(number).save(folder / f"{number:07d}.png")


def command(options: dict[str, str], *more: object) -> list[object]:
    return ["run", *(part for option in options.items() for part in option), "--no-bounds", "--name", "x", *more]


def forget_run() -> None:
    shutil.rmtree("runs", ignore_errors=True)


def test_pictures(trials, tmp_path):
    """As a photograph to animate, as frames of a data set, as frames made elsewhere."""
    picture = photograph()
    (tmp_path / "driving.mp4").write_bytes(bad_files.video())
    frames(tmp_path / "mine" / "clip")
    assert trials.bench("pairs", "make", "--data", "mine=mine", "--n", 4, "--out", "mine.csv")[0] == 0
    asked = command(OWN, "--data", "mine=mine", "--pairs", "mine.csv")
    bad = tmp_path / "mine" / "clip" / "0000001.png"
    sound = np.asarray(picture)

    def same_pixels(name):
        if name.startswith("png-"):  # the format has checksums
            assert (read_rgb(bad) == sound).all(), name

    trials(bad_files.images(picture), bad, *asked, before=forget_run, read=same_pixels)
    photo = tmp_path / "photo.png"
    trials(
        bad_files.images(picture), photo, "animate", "--model", "fomm", "--limit", 1, "--source", photo,
        "--driving", "driving.mp4", "--out", "out.mp4",
    )  # fmt: skip


def test_frames_made_elsewhere(trials, tmp_path, sample_set):
    picture = photograph()
    mine = tmp_path / "frames" / "0000-a.png"
    options = SAME | {"--models": "frames:frames", "--protocol": "vox1-diffscale", "--limit": "1"}
    trials(bad_files.images(picture), mine, *command(options), before=forget_run)


def test_videos(trials, listener, tmp_path):
    """As the driving video, and among custom ones. What is named in lists of addresses is not asked for."""
    address, calls = listener
    photograph().save(tmp_path / "photo.png")
    driving = tmp_path / "driving.mp4"
    asked = ["animate", "--model", "fomm", "--limit", 2, "--source", "photo.png", "--driving", driving]
    trials(bad_files.videos(address), driving, *asked, "--out", "out.mp4")
    clip = tmp_path / "mine" / "clip.mp4"
    trials(
        bad_files.videos(address),
        clip,
        "pairs",
        "make",
        "--data",
        "mine=mine",
        "--n",
        2,
        "--out",
        "mine.csv",
        names="mine",
    )
    assert calls == []


def test_lists_of_addresses_do_not_reach_other_files(bench, tmp_path):
    outside = tmp_path / "outside.mp4"
    outside.write_bytes(bad_files.video())
    photograph().save(tmp_path / "photo.png")
    for name, form in (("hls", bad_files.HLS), ("concat", bad_files.CONCAT)):
        driving = tmp_path / f"{name}.mp4"
        driving.write_text(form.format(address=outside))
        code, text = bench("animate", "--model", "fomm", "--source", "photo.png", "--driving", driving, "--limit", 1)
        assert code == 2 and driving.name in text


FROZEN = ["pairs show", "pairs hash", "run"]


@pytest.mark.parametrize("asked", FROZEN)
def test_frozen_lists(trials, tmp_path, asked):
    frames(tmp_path / "mine" / "clip")
    assert trials.bench("pairs", "make", "--data", "mine=mine", "--n", 4, "--out", "mine.csv")[0] == 0
    sound = (tmp_path / "mine.csv").read_text()
    hashed = trials.bench("pairs", "hash", "mine.csv")[1]
    file = tmp_path / "bad.csv"

    def same_pairs(name):
        assert trials.bench("pairs", "hash", "bad.csv")[1] == hashed, name

    arguments = [*asked.split(), file]
    if asked == "run":
        arguments = command(OWN, "--data", "mine=mine", "--pairs", file)
    trials(bad_files.texts(sound, 1), file, *arguments, before=forget_run, read=same_pairs)


def test_published_lists(trials, tmp_path):
    clip = "/home/someone/vox/test/id10280#NXjT3732Ekg#001093#001192.mp4"
    rows = [f"{clip}/{number:07d}.png,{clip}/{number + 1:07d}.png,{clip}/0000000.png\n" for number in range(6)]
    file = tmp_path / "published.csv"
    sound = "source,driving,anchor\n" + "".join(rows)
    trials(bad_files.texts(sound, 2), file, "pairs", "import", file, "--out", "o.csv")


def test_settings(trials, tmp_path):
    sound = '[data]\nvox1 = "data"\nmine = "mine"\n\n[weights]\npath = "weights"\n'
    (tmp_path / "weights").mkdir()
    file = tmp_path / "bench.toml"
    trials(bad_files.texts(sound, 3), file, "doctor")
    odd = ["[data]\nvox1 = 3", "[data.vox1]\na = 1", "data = 3", "[[data]]", "[weights]\npath = ['a']"]
    odd += ["x = " + "[" * 9000, '[data]\nvox1 = "\\u0000"']
    trials(((text[:9], text.encode()) for text in odd), file, "doctor")


def test_identities(trials, tmp_path):
    (tmp_path / "mine").mkdir()
    photograph().save(tmp_path / "mine" / "a.png")
    photograph().save(tmp_path / "mine" / "b.png")
    file = tmp_path / "mine" / "identities.csv"
    asked = ["--strategy", "cross-identity", "--n", 1, "--out", "o.csv"]
    trials(bad_files.texts("a.png,anna\nb.png,ben\n", 4), file, "pairs", "make", "--data", "mine=mine", *asked)


@pytest.mark.parametrize(
    ("asked", "name"),
    [("report", "summary.json"), *((asked, "manifest.json") for asked in ("report", "compare", "check", "run"))],
)
def test_files_of_a_run(trials, tmp_path, sample_set, name, asked):
    options = SAME | {"--models": "copy-source,copy-target", "--limit": "3"}
    assert trials.bench(*command(options))[0] == 0
    assert trials.bench("check", "runs/x", "--update", "reference.json")[0] == 0
    file = tmp_path / "runs" / "x" / name
    sound = file.read_bytes()
    before = {kept: kept.read_bytes() for kept in file.parent.iterdir() if kept.is_file()}
    arguments = {
        "report": ["report", "runs/x"],
        "compare": ["compare", "runs/x", "--models", "copy-source,copy-target"],
        "check": ["check", "runs/x", "--against", "reference.json"],
        "run": command(options),
    }[asked]

    def restore():  # the commands may have drawn the report again
        for kept, content in before.items():
            kept.write_bytes(content)

    trials(bad_files.jsons(json.loads(sound), 5), file, *arguments, before=restore, names="runs/x")


def test_tables_of_a_run(trials, tmp_path, sample_set):
    options = SAME | {"--models": "copy-source,copy-target", "--limit": "3"}
    assert trials.bench(*command(options))[0] == 0
    file = tmp_path / "runs" / "x" / "samples.parquet"
    sound = file.read_bytes()
    for asked in (["report", "runs/x"], ["compare", "runs/x", "--models", "copy-source,copy-target"]):
        trials(bad_files.foreign(), file, *asked, names="runs/x")
        trials(bad_files.damaged(sound, 6, 40), file, *asked, names="runs/x")


def test_references(trials, tmp_path, sample_set):
    assert trials.bench(*command(SAME | {"--limit": "3"}))[0] == 0
    assert trials.bench("check", "runs/x", "--update", "reference.json")[0] == 0
    file = tmp_path / "reference.json"
    asked = ["check", "runs/x", "--against", "reference.json"]
    trials(bad_files.jsons(json.loads(file.read_text()), 7), file, *asked, names="reference")


@pytest.fixture(scope="module")
def small_fomm():
    """A small FOMM: its configuration and its networks' tensors."""

    from support.small_networks import small

    config, network = small("fomm")
    return config, {name: part.state_dict() for name, part in network.named_children()}


def test_checkpoints_of_the_authors(trials, tmp_path, sample_set, small_fomm):
    config, states = small_fomm
    file = tmp_path / "bad.pth.tar"
    (tmp_path / "bad.pth.tar.json").write_text(json.dumps(config))
    options = SAME | {"--models": f"fomm?weights={file}", "--limit": "1"}
    forward = [*command(options), "--save-frames"]
    torch.save(states, file)
    assert trials.bench(*forward)[0] == 0
    made = Path("runs/x/frames").rglob("*.png")
    sound = [frame.read_bytes() for frame in sorted(made)]
    assert sound

    def same_frame(name):
        if name.startswith("pth-"):  # this format has checksums
            assert [frame.read_bytes() for frame in sorted(Path("runs/x/frames").rglob("*.png"))] == sound, name

    trials(bad_files.checkpoints(states), file, *forward, before=forget_run, read=same_frame)


def test_configurations_beside_checkpoints(trials, tmp_path, sample_set, small_fomm):
    config, states = small_fomm
    torch.save(states, tmp_path / "some.pth.tar")
    options = SAME | {"--models": f"fomm?weights={tmp_path}/some.pth.tar", "--limit": "1"}
    file = tmp_path / "some.pth.tar.json"
    trials(bad_files.jsons(config, 8), file, *command(options), before=forget_run, names="some.pth.tar")


def test_a_network_of_absurd_depth_is_not_built(bench, tmp_path, sample_set, small_fomm):
    config, states = small_fomm
    torch.save(states, tmp_path / "some.pth.tar")
    deep = json.loads(json.dumps(config))
    deep["generator_params"]["dense_motion_params"]["num_blocks"] = 65_000
    (tmp_path / "some.pth.tar.json").write_text(json.dumps(deep))
    options = SAME | {"--models": f"fomm?weights={tmp_path}/some.pth.tar", "--limit": "1"}
    ended = code, text = bench(*command(options))
    assert code == 2 and ended.error == "bad-configuration" and "num_blocks" in text, text


def test_safetensors(trials, tmp_path, sample_set, small_fomm):
    config, states = small_fomm
    flat = {f"{name}.{key}": value for name, state in states.items() for key, value in state.items()}
    metadata = {"model": "fomm", "config": json.dumps(config), "training": "{}"}
    file = tmp_path / "bad.safetensors"
    options = SAME | {"--models": f"fomm?weights={file}", "--limit": "1"}
    trials(bad_files.safetensors(flat, metadata), file, *command(options), before=forget_run)


def test_golden_specs(trials, tmp_path):
    file = golden_cases.small(tmp_path / "golden") / "spec.json"
    sound = file.read_text()
    trials(bad_files.jsons(json.loads(sound), 9, 30), file, "verify", "golden", names="golden")
    file.write_text(sound)
    arrays = tmp_path / "golden" / "golden.npz"
    trials(bad_files.damaged(arrays.read_bytes(), 10, 30), arrays, "verify", "golden")


def test_a_name_that_no_file_can_have_is_the_users_mistake(bench, tmp_path):
    for command in (
        ["run", "--protocol", "vox1-sameid", "--models", "copy-source", "--data", f"vox1={'x' * 300}"],
        ["run", "--protocol", "vox1-sameid", "--models", f"fomm?weights={'x' * 300}.pth.tar"],
        ["pairs", "show", "x" * 300],
        ["report", "x" * 300],
    ):
        code, text = bench(*command)
        assert code == 2 and len(text.splitlines()) == 1 and text.startswith("error: ") and "x" * 300 in text
        assert os.strerror(errno.ENAMETOOLONG) in text, text


def test_a_model_is_not_called_like_the_pictures_of_a_run(bench, sample_set):
    ended = code, text = bench(*command(SAME | {"--models": "_source=copy-source", "--limit": "1"}))
    assert code == 2 and ended.error == "bad-name"
