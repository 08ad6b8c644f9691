"""The pictures show what the network computed, for every network."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support.refused import refused
from support.small_networks import ALL, batch, small  # noqa: E402
from typer.testing import CliRunner

from baselines import checkpoints, registry
from baselines.liveportrait.motion import absolute as absolute_motion
from baselines.liveportrait.retargeting import stitched
from bench.cli.inspect import parse_squeeze
from bench.cli.main import app
from bench.inspection.inspect import attention, inspect, spread
from bench.rundir.directory import RunDirectory
from bench.rundir.seal import sealed
from bench.runtime.errors import UserError
from reports.inspection.figures import color_wheel, figures
from reports.run import html

CPU = torch.device("cpu")
MEMORIES = [name for name in ALL if "memory" in name or name.startswith("mcnet")]


@pytest.fixture(scope="module")
def predictors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, registry.Predictor]:
    folder = tmp_path_factory.mktemp("files")
    made = {}
    for model in ALL:
        config, network = small(model)
        checkpoints.save_sample(folder / f"{model}.safetensors", model, network, config, {})
        made[model] = registry.load(f"{model}?weights={folder / model}.safetensors", weights=None, device=CPU)
    return made


@pytest.mark.parametrize("model", ALL)
def test_what_is_seen_belongs_to_the_frame_that_the_predictor_gives(model: str, predictors) -> None:
    predictor, pair = predictors[model], batch(1)
    seen = inspect(predictor, pair, "absolute")
    frame = predictor.predict(pair, "absolute")[0].permute(1, 2, 0).numpy()
    assert np.array_equal(seen.frame, frame)  # watching changes nothing, and ends
    assert not any(part._forward_hooks for part in predictor.network.modules())
    assert seen.flow is not None and seen.flow.shape[2] == 2 and np.abs(seen.flow).max() > 1e-4
    names = set(figures(seen))
    assert ("memory" in names) == ("read" in names) == (model in MEMORIES)
    assert ("scale" in names) == (model in ("ostnet", "fomm+scale", "dagan+scale"))
    assert ("directions" in names) == ("references" in names) == (model == "lia")
    assert ("stitching" in names) == (model == "liveportrait")
    assert all(0 <= occlusion.min() <= occlusion.max() <= 1 for occlusion in seen.occlusions)
    if model not in ("x2face", "lia"):
        assert seen.source_points.shape == seen.driving_points.shape
        assert np.allclose(seen.shares.sum(0), 1, atol=1e-4)


def test_keypoints_before_and_after_stitching(predictors) -> None:
    predictor, pair = predictors["liveportrait"], batch(1)
    net, seen = predictor.network, inspect(predictor, pair, "absolute")
    with torch.inference_mode():
        source, driving = net.motion(pair.source), net.motion(pair.driving)
        wanted = absolute_motion(source, driving).points()
        after = stitched(net.retarget_shoulder, source.points(), wanted)
    assert seen.frame.shape == (512, 512, 3) and seen.source.shape == (256, 256, 3)
    for points, expected in ((seen.unstitched_points, wanted), (seen.driving_points, after)):
        assert np.allclose(points, expected[0, :, :2].numpy(), atol=1e-4)
    assert np.abs(seen.unstitched_points - seen.driving_points).max() > 1e-3


def test_directions_are_moved_along_one_by_one(predictors) -> None:
    predictor, pair = predictors["lia"], batch(1)
    seen = inspect(predictor, pair, "absolute")
    assert seen.directions.shape == (4, 2, 256, 256, 3) and len(seen.occlusions) == 6
    network = predictor.network
    with torch.inference_mode():
        source = network.encode(2 * pair.source - 1)
        code = source.code + network.gen.dec.direction(source.magnitudes) + 3 * network.gen.dec.direction.basis()[:, 2]
        frame = ((network.generate(source, code).frame + 1) / 2).clamp(0, 1)[0].permute(1, 2, 0).numpy()
        logits = network.generate(source, network.moved(source, network.motion(2 * pair.driving - 1))).logits
        still = ((network.generate(source, source.code).frame + 1) / 2).clamp(0, 1)[0].permute(1, 2, 0).numpy()
        other = network.encode(2 * pair.driving - 1)
        other_still = ((network.generate(other, other.code).frame + 1) / 2).clamp(0, 1)[0].permute(1, 2, 0).numpy()
    assert np.abs(seen.directions[2, 1] - frame).mean() < 1e-5 < 1e-2 < np.abs(seen.directions[2, 0] - frame).mean()
    assert np.allclose(seen.references, [still, other_still], atol=1e-4) and np.abs(still - other_still).mean() > 1e-3
    assert np.allclose(seen.flow, torch.tanh(logits[0, :2]).permute(1, 2, 0).numpy() / 2, atol=1e-4)


def test_the_points_are_those_that_the_mode_asks_for(predictors) -> None:
    pair = batch(1)
    absolute, relative = (inspect(predictors["fomm"], pair, mode) for mode in ("absolute", "relative"))
    detected = predictors["fomm"].network.detect(pair.driving).value[0].numpy()
    assert np.allclose(absolute.driving_points, detected, atol=1e-6)
    assert not np.allclose(relative.driving_points, detected, atol=1e-3)


def test_attention_reads_what_the_network_reads(predictors) -> None:
    unit = predictors["mcnet"].network.generator.mbUnit
    calls = {}
    for name in ("conv_kv", "query_conv", "diff_conv"):
        handle = getattr(unit, name).register_forward_hook(
            lambda _, given, made, n=name: calls.update({n: (given, made)})
        )
        calls[name + "_handle"] = handle
    seen = inspect(predictors["mcnet"], batch(1), "absolute")
    for name in ("conv_kv", "query_conv", "diff_conv"):
        calls.pop(name + "_handle").remove()
    level = seen.memory_levels[-1]
    key, value = calls["conv_kv"][1].relu().chunk(2, dim=1)
    query = calls["query_conv"][1].relu()
    spots = np.array([[-1.0, -1.0], [1.0, -1.0], [0.3, 0.6]])
    shares = attention(query, key, spots, 0.25)[0]
    read = torch.from_numpy(level.projected) - calls["diff_conv"][0][0][0]
    last = level.side - 1
    for (x, y), share in zip(spots, shares):
        found = torch.einsum("kl,mkl->m", share, value[0])
        place = read[:, round((y + 1) / 2 * last), round((x + 1) / 2 * last)]
        assert torch.allclose(found, place, atol=1e-4)


def test_colours_say_direction_and_strength() -> None:
    flow = np.zeros((1, 3, 2))
    flow[0, 1, 0], flow[0, 2, 0] = -0.15, -0.075  # content comes from the left: it moves to the right
    still, right, slower = color_wheel(flow)[0]
    assert np.allclose(still, 1) and np.allclose(right, [1, 0, 0]) and np.allclose(slower, [1, 0.5, 0.5])


def test_spread_takes_points_that_lie_apart() -> None:
    points = np.array([[0.9, 0.9], [0.0, 0.01], [0.02, 0.0], [-0.9, 0.0], [0.01, 0.01]])
    assert spread(points, 3).tolist() == [[0.0, 0.01], [0.9, 0.9], [-0.9, 0.0]]


def test_the_command_writes_a_page_and_pictures(sample_set: Path, tmp_path: Path) -> None:
    arguments = ["--model", "ostnet", "--squeeze", "0.7,1.2", "--device", "cpu", "--out", str(tmp_path)]
    done = CliRunner().invoke(app, ["inspect", *arguments])
    assert done.exit_code == 0, done.output
    assert {file.name for file in tmp_path.iterdir()} == {"inspect.html", "ostnet_motion.png", "ostnet_scale.png"}
    page = (tmp_path / "inspect.html").read_text("utf-8")
    assert page.count("<svg") == 2 and "sample weights" in page
    source, driving = re.findall(r"<code>(sample/[^<]+)</code>", page)
    assert source != driving and source.rpartition("/")[0] == driving.rpartition("/")[0]
    assert "squeezed by 0.7 and 1.2" in page
    assert "conic-gradient" in page and page.count('class="patch"') >= 3  # a key to the colors
    grounds = re.findall(r'id="patch_1">\s*<path[^>]*style="([^"]*)"', page)
    assert "currentColor" in page and all("none" in ground or "opacity: 0" in ground for ground in grounds)  # no slabs


def test_a_run_is_looked_into_and_its_report_links_the_page(sample_set: Path, tmp_path: Path) -> None:
    run = ["run", "--models", "fomm,copy-target", "--protocol", "vox1-sameid", "--data", "sample", "--limit", "2"]
    run += ["--metrics", "l1", "--device", "cpu", "--out", str(tmp_path), "--name", "r"]
    assert CliRunner().invoke(app, run).exit_code == 0
    report = tmp_path / "r" / "report.html"
    assert "inspect/inspect.html" not in report.read_text("utf-8")
    done = CliRunner().invoke(app, ["inspect", "--run", str(tmp_path / "r"), "--pairs", "1", "--device", "cpu"])
    assert done.exit_code == 0, done.exception
    assert "inspect/inspect.html" in report.read_text("utf-8")
    pair = sorted((tmp_path / "r" / "pictures" / "_source").iterdir())[0].stem
    assert {file.name for file in (tmp_path / "r" / "inspect").iterdir()} == {
        "inspect.html",
        f"fomm_{pair}_motion.png",
    }
    for arguments, code, word in (
        (["--model", "copy-target"], "unknown-model", "copy-target"),
        (["--mode", "absolute"], "unused-option", "--mode"),
    ):
        with refused(UserError, code, word):
            raise CliRunner().invoke(app, ["inspect", "--run", str(tmp_path / "r"), *arguments]).exception
    with refused(UserError, "no-finished-run", tmp_path):
        raise CliRunner().invoke(app, ["inspect", "--run", str(tmp_path)]).exception


@pytest.fixture(scope="module")
def without_networks(sample_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a run of bounds only, one of saved frames, and one of finished videos."""
    folder = tmp_path_factory.mktemp("without")
    out = ["--device", "cpu", "--metrics", "l1", "--out", str(folder)]
    pairs = ["run", "--protocol", "vox1-sameid", "--data", "sample", "--limit", "1", *out]
    clip = folder / "truth" / "a"
    clip.mkdir(parents=True)
    for number in range(3):
        Image.new("RGB", (64, 64), (80 * number, 90, 40)).save(clip / f"{number:07d}.png")
    shutil.copytree(folder / "truth", folder / "made")
    frames = f"mine=frames:{folder / 'bounds' / 'frames' / 'copy-source'}"
    for arguments in (
        [*pairs, "--models", "copy-source,copy-target", "--save-frames", "--name", "bounds"],
        [*pairs, "--models", frames, "--name", "frames"],
        ["score", str(folder / "truth"), str(folder / "made"), *out, "--name", "videos"],
    ):
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 0, done.output
    return folder


@pytest.mark.parametrize(
    ("name", "model"), [("bounds", "copy-source"), ("frames", "mine"), ("videos", "made"), ("sound", "copy-source")]
)
def test_a_run_without_a_network_is_refused_and_no_page_is_written(
    name: str, model: str, without_networks: Path, tmp_path: Path
) -> None:
    run = tmp_path / "r"
    shutil.copytree(without_networks / ("bounds" if name == "sound" else name), run)
    if name == "sound":  # a network, but no frame drives it
        ran = RunDirectory(run).manifest()
        models = tuple(entry.but(parameters=7, driven_by="sound") for entry in ran.models)
        changed = sealed(ran.but(models=models)).content()
        (run / "manifest.json").write_text(json.dumps(changed), encoding="utf-8")
    with refused(UserError, "no-network", run, model) as error:
        raise CliRunner().invoke(app, ["inspect", "--run", str(run)]).exception
    assert "\n" not in str(error.value) and not (run / "inspect").exists()


def test_a_report_links_no_page_without_pictures(without_networks: Path, tmp_path: Path) -> None:
    run = tmp_path / "r"
    shutil.copytree(without_networks / "videos", run)
    (run / "inspect").mkdir()
    (run / "inspect" / "inspect.html").write_text("<title>nothing</title>", encoding="utf-8")
    assert "inspect/inspect.html" not in html.write(run).read_text("utf-8")
    (run / "inspect" / "fomm_0_motion.png").write_bytes(b"")
    assert "inspect/inspect.html" in html.write(run).read_text("utf-8")


def test_a_network_whose_card_names_nothing_to_draw_is_refused(sample_set: Path, tmp_path: Path, monkeypatch) -> None:
    load = registry.load

    def bare(*arguments, **options):
        predictor = load(*arguments, **options)
        predictor.card = dataclasses.replace(predictor.card, probes={})
        return predictor

    monkeypatch.setattr(registry, "load", bare)
    with refused(UserError, "no-network", "fomm", "probes"):
        arguments = ["--models", "fomm", "--device", "cpu", "--out", str(tmp_path / "out")]
        raise CliRunner().invoke(app, ["inspect", *arguments]).exception
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--model", "copy-source"], "no-network", ["copy-source"]),
        (["--model", "fomm", "--clip", "nobody"], "unknown-clip", ["nobody"]),
        (["--model", "fomm", "--frame", "100000"], "unknown-frame", ["--frame 100000"]),
        (["--model", "fomm", "--source", "x.png"], "missing-option", ["--source", "--driving"]),
    ],
)
def test_mistakes_are_one_line(
    arguments: list[str], code: str, words: list[str], sample_set: Path, tmp_path: Path
) -> None:
    with refused(UserError, code, *words) as error:
        raise CliRunner().invoke(app, ["inspect", *arguments, "--out", str(tmp_path)]).exception
    assert "\n" not in str(error.value)


def test_squeeze_is_two_factors() -> None:
    assert parse_squeeze("0.7,1") == (0.7, 1.0)
    for text in ("0.7", "a,b", "0,1", "nan,1"):
        with pytest.raises(UserError):
            parse_squeeze(text)
