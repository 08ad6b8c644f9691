"""Every metric is explained, every part of every signature, and the pictures say what the pages say."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from support.refused import refused
from typer.testing import CliRunner

from bench import metrics
from bench.cli.main import app
from bench.info import explain
from bench.metrics.clips.catalogue import CLIP_DEFINITIONS
from bench.metrics.sets.catalogue import SET_DEFINITIONS
from bench.metrics.signature import parse
from bench.runtime.config import Config
from bench.runtime.errors import UserError

PAGES = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[3] / "tools" / "metric_pages.py")))


@pytest.fixture(scope="module")
def config(cache: Path, sample_set: Path) -> Config:
    return Config(data={}, sample=True, weights=None, cache=cache)


def measured(name: str, config: Config, pairs: int = 2) -> dict[str, dict[str, float]]:
    siblings = explain.explain(name).siblings
    found = explain.measure(siblings, explain.choose(siblings, config), config, pairs)
    return {line.partition("|")[0]: values for line, values in found.items()}


def test_every_definition_stands_on_one_page_that_names_it_and_its_source() -> None:
    listed = explain.pages()
    everything = [*metrics.definitions(), *CLIP_DEFINITIONS, *SET_DEFINITIONS]
    assert sorted(name for _, names in listed.values() for name in names) == sorted(everything)
    assert {f"{page}.md" for page in listed} == {file.name for file in explain.FOLDER.glob("*.md")}
    for page in listed:
        text = (explain.FOLDER / f"{page}.md").read_text(encoding="utf-8")
        for heading in ("# ", "**Formula.**", "**Source.**", "**Pitfalls.**", "**Variants.**"):
            assert heading in text, (page, heading)


@pytest.mark.parametrize(
    "name", ["ssim-published", "psnr-uint8", "lpips-alex-unscaled", "st-lpips", "akd-norm", "csim"]
)
def test_variants_are_named_on_their_page(name: str) -> None:
    assert f"`{name}`" in explain.explain(name).page


def test_every_part_of_every_signature_has_a_meaning(config: Config) -> None:
    everything = [*metrics.definitions().values(), *CLIP_DEFINITIONS.values(), *SET_DEFINITIONS.values()]
    choice = explain.choose(everything, config)
    used = set()
    for definition in everything:
        for name, _, meaning in explain.parts(f"{explain.signature(definition, choice)}|against:target"):
            assert meaning, (definition.name, name)
            used.add(name.rpartition(".")[2])
    known = set(tomllib.loads((explain.FOLDER / "_parts.toml").read_text(encoding="utf-8")))
    of_papers = {
        "code",
        "of",
        "align",
        "lrn",
        "finder",
        "flip",
        "face",
        "library",
        "pose",
        *("pad", "maps", "peak", "link", "person"),
        "per",
    }  # of detectors that may be missing here, and of runs of whole clips
    assert known - used <= of_papers


def test_unknown_names_are_told() -> None:
    with refused(UserError, "unknown-metric", "psnr"):
        explain.explain("pnsr")


def test_the_source_of_a_sibling(config: Config) -> None:
    found = explain.explain("prmse-yaw")
    assert {"prmse", "prmse-rad-pnp", "prmse-roll"} <= {sibling.name for sibling in found.siblings}
    line = explain.signature(found.definition, explain.choose(found.siblings, config))
    assert parse(line)["angles"] == "yaw"


def test_numbers_of_pixels_keep_what_the_pages_say(config: Config) -> None:
    psnr, l1, ssim = (measured(name, config) for name in ("psnr", "l1", "ssim"))
    for change, value in l1["l1"].items():
        if change == "none":
            assert value == 0 and psnr["psnr"][change] == psnr["psnr-uint8"][change] == 100
            continue
        assert psnr["psnr"][change] <= psnr["psnr-uint8"][change]
        assert ssim["ssim-published"][change] > ssim["ssim-skimage"][change]
    assert psnr["psnr"]["the source"] <= -20 * np.log10(l1["l1"]["the source"]) < psnr["psnr-uint8"]["the source"]
    assert ssim["ssim"]["2 px right"] < ssim["ssim"]["blur σ 2"]


def test_a_shift_of_two_pixels_is_a_landmark_distance_of_about_two(config: Config) -> None:
    found = measured("akd", config)
    assert found["akd-euclid-dlib"]["2 px right"] == pytest.approx(2, abs=0.6)
    assert found["akd-dlib"]["none"] == 0
    assert found["akd-norm-dlib"]["the source"] < found["akd-dlib"]["the source"] / 20


def test_changes_keep_shape_and_kind() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)
    for name, changed in explain.changes(frames, frames[::-1]).items():
        assert changed.shape == frames.shape and changed.dtype == np.uint8, name
    assert (explain.changes(frames, frames)["2 px right"][:, :, 2:] == frames[:, :, :-2]).all()


def test_the_command(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TALKING_HEAD_BENCH_CACHE", str(config.cache))
    monkeypatch.setenv("COLUMNS", "200")
    runner = CliRunner()
    listing = runner.invoke(app, ["explain"])
    assert listing.exit_code == 0 and "ssim-published" in listing.output and "PRMSE" in listing.output
    done = runner.invoke(app, ["explain", "psnr-uint8", "--pairs", "1"])
    assert done.exit_code == 0, done.output
    for said in ("Huynh-Thu", "arithmetic:uint8-wraps", "differences and squares that wrap", "JPEG 30", "psnr"):
        assert said in done.output
    family = runner.invoke(app, ["explain", "aucon-units", "--pairs", "0"])
    assert family.exit_code == 0 and "aucon-au43-geom" in family.output


@pytest.mark.parametrize("name", list(explain.pages()))
def test_the_docs_have_the_same_page(name: str) -> None:
    page = explain.explain(name)
    shown = (PAGES.FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert shown.partition(PAGES.HEADING)[0] == PAGES.written(page, {"x": {}}, 1).partition(PAGES.HEADING)[0], (
        "python tools/metric_pages.py writes them again"
    )


@pytest.mark.parametrize("name", ["ssim", "psnr", "l1"])
def test_the_docs_have_the_numbers_that_are_measured(name: str, config: Config) -> None:
    page = explain.explain(name)
    found = explain.measure(page.siblings, explain.choose(page.siblings, config), config, 12)
    rows = re.findall(r"<br>`(.*?)` \| (.*) \|\n", (PAGES.FOLDER / f"{name}.md").read_text(encoding="utf-8"))
    shown = {short.replace("\\|", "|"): [float(value) for value in values.split(" | ")] for short, values in rows}
    expected = {line.partition("|")[2]: list(values.values()) for line, values in found.items()}
    assert shown.keys() == expected.keys()
    for short, values in shown.items():
        assert values == pytest.approx(expected[short], rel=0.01)  # printed with three digits
