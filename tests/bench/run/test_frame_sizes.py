"""TED-talks as it is kept, frames of 384 pixels, through the command line; and networks that are for other frames."""

from __future__ import annotations

import json
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
from PIL import Image
from support.small_networks import small  # noqa: E402

from baselines import checkpoints

CLIPS = ("A2DzsgJSwcc#009831#010018.mp4", "IyrcWMvu9ek#001087#001398.mp4")


@pytest.fixture(autouse=True)
def in_empty_folder(monkeypatch, tmp_path, cache):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TALKING_HEAD_BENCH_CACHE", str(cache))
    monkeypatch.delenv("TALKING_HEAD_BENCH_WEIGHTS", raising=False)


@pytest.fixture(scope="module")
def ted(tmp_path_factory) -> Path:
    """Folders of frames as the data set's authors cut them: blurred tiles that move a little from frame to frame."""
    root = tmp_path_factory.mktemp("ted")
    for seed, clip in enumerate(CLIPS):
        tiles = np.random.default_rng(seed).integers(0, 256, (9, 9, 3), dtype=np.uint8)
        scene = Image.fromarray(tiles).resize((450, 450), Image.Resampling.BICUBIC)
        (root / "test" / clip).mkdir(parents=True)
        for number in range(4):
            scene.crop((9 * number, 0, 9 * number + 384, 384)).save(root / "test" / clip / f"{number:07d}.png")
    # As the published list is written, paths of its authors' disk included.
    rows = [f"/ssd/TED384-v2/test/{clip}/0000000.png,/ssd/TED384-v2/test/{clip}/0000003.png" for clip in CLIPS]
    (root / "list.csv").write_text("\n".join(["source,driving,frame", *rows, ""]))
    return root


def ran(name: str) -> tuple[dict[str, dict], pd.DataFrame]:
    run = Path("runs") / name
    models = {model["name"]: model for model in json.loads((run / "manifest.json").read_text())["models"]}
    return models, pd.read_parquet(run / "samples.parquet")


def on_ted(ted: Path, models: str, name: str, *more: object) -> tuple[object, ...]:
    data = ("--data", f"ted={ted}", "--pairs", ted / "list.csv")
    return ("run", "--protocol", "ted-sameid", *data, "--models", models, "--name", name, *more)


def test_four_networks_on_frames_of_384_pixels(bench, ted):
    names = ["fomm", "mcnet", "tpsm", "ostnet"]
    asked = on_ted(ted, ",".join(names), "ted", "--limit", 1, "--metrics", "l1", "--save-frames")
    code, text = bench(*asked)
    assert code == 0, text
    models, samples = ran("ted")
    for name in names:
        assert str(name) in text and "256, used at 384" in text
        assert models[name]["sample_weights"] and models[name]["frame_size"] == 384
        rows = samples[samples["model"] == name]
        assert (rows["status"] == "ok").all() and rows["l1"].between(0, 0.3).all()
        with Image.open(next((Path("runs/ted/frames") / name).glob("*.png"))) as frame:
            assert frame.size == (384, 384)
    assert samples.groupby("model")["l1"].mean()["copy-target"] == 0
    assert "256, used at 384" in Path("runs/ted/report.html").read_text()


def test_a_network_of_one_size_is_refused_and_resized_if_asked(bench, ted, tmp_path):
    config, network = small("x2face")
    file = tmp_path / "x2face.safetensors"
    checkpoints.save_sample(file, "x2face", network, config, {})
    some = ("--limit", 1, "--metrics", "l1")
    ended = code, text = bench(*on_ted(ted, f"x2face?weights={file}", "no", *some))
    assert code == 2 and ended.error == "frame-size" and not Path("runs").exists()
    assert "256x256" in text and "384x384" in text and "x2face?resize=true" in text
    code, text = bench(*on_ted(ted, f"x2face=x2face?weights={file}&resize=true", "yes", *some))
    assert code == 0, text
    assert [line for line in text.split("x2face: ")[1:] if "256" in line and "resized" in line], text
    models, samples = ran("yes")
    assert models["x2face"]["frame_size"] == 256 and "antialias" in models["x2face"]["conventions"]["resize"]
    assert (samples["status"] == "ok").all()


def test_a_checkpoint_of_384_on_a_protocol_of_256(bench, sample_set, tmp_path):
    config, network = small("fomm")
    file = tmp_path / "ours.safetensors"
    checkpoints.save_sample(file, "fomm", network, config | {"frame_size": 384}, {})
    some = ("run", "--protocol", "vox1-sameid", "--limit", 1, "--metrics", "l1", "--name")
    ended = code, text = bench(*some, "no", "--models", f"fomm?weights={file}")
    assert code == 2 and ended.error == "frame-size" and "fomm?resize=true" in text and "fomm?frame_size=256" in text
    assert bench(*some, "resized", "--models", f"m=fomm?weights={file}&resize=true")[0] == 0
    code, text = bench(*some, "as-they-are", "--models", f"m=fomm?weights={file}&frame_size=256")
    assert code == 0 and "384, used at 256" in text
    used = [ran(name)[0]["m"]["frame_size"] for name in ("resized", "as-they-are")]
    assert used == [384, 256]
    values = [ran(name)[1].set_index("model")["l1"]["m"] for name in ("resized", "as-they-are")]
    assert values[0] != values[1]


def test_a_plug_in_of_another_size_is_refused_before_the_first_pair(bench, ted, monkeypatch):
    from baselines.bounds import CopySource

    monkeypatch.setattr(CopySource, "frame_size", 256)
    ended = code, text = bench(*on_ted(ted, "copy-source", "x", "--limit", 1, "--metrics", "l1"))
    assert code == 2 and ended.error == "frame-size" and "256x256" in text and "384x384" in text


def test_animate_at_another_side(bench, ted):
    source, driving = ted / "test" / CLIPS[0] / "0000000.png", ted / "test" / CLIPS[1]
    asked = ("animate", "--source", source, "--driving", driving, "--limit", 2, "--model")
    code, text = bench(*asked, "fomm?frame_size=384", "--out", "out.mp4")
    assert code == 0 and "fomm?frame_size=384" in text and "256, used at 384" in text, text
    with av.open("out.mp4") as video:
        assert (video.streams.video[0].width, video.streams.video[0].height) == (384, 384)
    ended = code, text = bench(*asked, "fomm?frame_size=300", "--out", "no.mp4")
    assert code == 2 and ended.error == "frame-size" and "multiple of 128" in text and "256" in text
