"""The HTML report: what is on it, and that it is only text whatever the names are."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
from support import fake_run
from support.manifests import manifest_of, summary_of

from protocols.names import TEMPLATE
from reports.run import html

HOSTILE = "<script>alert('x')</script>\"&$a_b$"

FEW = ("l1", "prmse-pnp")


class Page(HTMLParser):
    """Tags with their attributes, and the text that is seen."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text = ""
        self._style = False
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self._style = tag == "style"

    def handle_endtag(self, tag):
        self._style = False

    def handle_data(self, data):
        self.text += "" if self._style else data

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.tags)

    def named(self, id: str) -> list[dict]:
        """The attributes of the elements with an id."""
        return [attributes for _, attributes in self.tags if attributes.get("id") == id]

    def outputs(self, model: str, difference: bool = False) -> list[dict]:
        """The pictures of what a model made, or of its difference to the target."""
        pictures = [a for tag, a in self.tags if tag == "img" and a.get("data-model") == model]
        return [a for a in pictures if (a.get("class") == "difference") == difference]


def draw(run: Path) -> Page:
    return Page(html.write(run).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A run with its report."""
    folder = fake_run.make(tmp_path_factory.mktemp("runs") / "plain")
    html.write(folder)
    return folder


@pytest.fixture(scope="module")
def page(run) -> Page:
    return Page((run / "report.html").read_text(encoding="utf-8"))


def test_every_section_has_its_content(page):
    ids = {attributes.get("id") for tag, attributes in page.tags if tag == "section"}
    assert ids == {section.lower() for section in html.SECTIONS}
    assert page.count("svg") == len(fake_run.METRICS)
    for text in ("generated frame: no face found", "the model gave no finite frame", "ab" * 32, "2.13.0", "--protocol"):
        assert text in page.text
    for name, *_ in fake_run.METRICS:
        assert f"{name}|v:1|" in page.text
    assert "only 3 identities" in page.text.lower()
    assert "2 failed (2.2 %)" in page.text


def test_sample_data_is_told_across_the_top(page, tmp_path):
    order = [(a.get("class"), a.get("id")) for _, a in page.tags]
    assert order.index(("banner", None)) < order.index((None, "sample")) < order.index((None, "results"))
    assert [a["data-sample"] for a in page.named("sample")] == ["data weights"]
    real = draw(fake_run.make(tmp_path / "real", sample=False, failures=False, pairs=12, metrics=FEW))
    assert real.named("sample") == []
    assert ("banner", "alert") not in {(a.get("class"), a.get("role")) for _, a in real.tags}
    assert page.named("no-failures") == [] and len(real.named("no-failures")) == 1


def test_both_intervals_and_the_median_are_shown(run):
    text = (run / "report.html").read_text(encoding="utf-8")
    row = next(row for row in summary_of(run).rows if row.metric == "l1")
    part = text[text.index("Medians, and intervals") :]
    low, high = (f"{bound:.4f}" for bound in (row.ci_pair_low, row.ci_pair_high))
    assert f'<span class="mean">{row.median:.4f}</span>' in part
    assert f"<small>[{low}, {high}] over pairs</small>" in part
    assert f"<small>[{row.ci_low:.4f}, {row.ci_high:.4f}] by identity</small>" in part


def test_a_number_stands_with_its_signature(run):
    text = (run / "report.html").read_text(encoding="utf-8")
    for section, after in (("results", "distributions"), ("comparisons", "pictures")):
        part = text[text.index(f'<section id="{section}"') : text.index(f'<section id="{after}"')]
        head = part[: part.index("</thead>")] if section == "results" else part
        for metric in manifest_of(run).metrics:
            assert f'<code class="soft">{metric.short.partition("|")[2]}</code>' in head


def test_best_second_and_bounds_are_marked(run):
    text = (run / "report.html").read_text(encoding="utf-8")
    results = text[text.index('<section id="results"') : text.index('<section id="distributions"')]
    rows = {row[0]: row[1] for row in re.findall(r'<th scope="row">.*?</span>([\w-]+)\n(.*?)</tr>', results, re.S)}
    assert rows["mcnet"].count('class="best"') == len(fake_run.METRICS)
    assert rows["tpsm"].count('class="second"') == len(fake_run.METRICS)
    for bound in ("copy-source", "copy-target"):
        assert 'class="best"' not in rows[bound] and 'class="second"' not in rows[bound]
    assert "∞" in rows["copy-target"] and "NaN" not in text


def test_bounds_of_sound_are_named_where_models_are_compared_with_them(tmp_path):
    page = draw(
        fake_run.make(tmp_path / "run", models=("mcnet", "copy-template", "wrong-sound"), pairs=12, metrics=FEW)
    )
    assert "copy-template" in page.text and "wrong-sound" in page.text
    assert "copy-source" not in page.text
    assert html.QUESTIONS[TEMPLATE] in page.text
    assert "template frame" in [a.get("alt") for tag, a in page.tags if tag == "img"]


def test_one_file_that_needs_nothing_else(page, run):
    assert page.count("script") == page.count("link") == 0
    sources = [a["src"] for tag, a in page.tags if tag in ("img", "iframe", "source")]
    assert sources and all(source.startswith("data:image/webp;base64,") for source in sources)
    text = (run / "report.html").read_text(encoding="utf-8")
    assert not re.findall(r"url\((?!#)|@import|@font-face", text)
    assert all(a["href"].startswith("#") for tag, a in page.tags if tag == "a")


def test_pictures_stand_with_their_differences(page):
    alts = [a["alt"] for tag, a in page.tags if tag == "img"]
    assert alts.count("source frame") == alts.count("driving frame") == alts.count("target frame") > 0
    assert len(page.outputs("mcnet")) == len(page.outputs("mcnet", difference=True)) > 0
    assert all("mcnet" in a["alt"] for a in page.outputs("mcnet") + page.outputs("mcnet", difference=True))


@pytest.mark.parametrize("model", [HOSTILE, "cmd:run.py --x '{\"a\": 1}'", "$x^2$"])
def test_hostile_names_are_text(model, tmp_path):
    page = draw(
        fake_run.make(tmp_path / "run", models=(model, "tpsm", "copy-source"), clip=HOSTILE, pairs=12, metrics=FEW)
    )
    assert page.count("script") == 0
    assert page.text.count(model) > 3
    assert HOSTILE in page.text
    assert page.outputs(model) and all(model in a["alt"] for a in page.outputs(model))


def test_cross_identity_has_no_target(tmp_path):
    page = draw(fake_run.make(tmp_path / "run", reference="cross-identity"))
    alts = [a["alt"] for tag, a in page.tags if tag == "img"]
    assert "source frame" in alts and "target frame" not in alts
    assert not [alt for alt in alts if alt.startswith("difference")]
    assert "by prmse-pnp" in page.text and "Not measured" in page.text
    assert page.count("svg") == 3


@pytest.mark.parametrize("models", [("mcnet",), ("copy-source",), ("copy-target", "copy-source")])
def test_few_models(models, tmp_path):
    page = draw(fake_run.make(tmp_path / "run", models=models, pairs=3, failures=False, metrics=FEW))
    assert all(model in page.text for model in models)
    assert ("Bounds only" in page.text) == ("mcnet" not in models)
    assert 'class="best"' not in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_run_without_pictures_is_drawn(tmp_path):
    run = fake_run.make(tmp_path / "run", pairs=12, metrics=FEW)
    shutil.rmtree(run / "pictures")
    assert "no frame" in draw(run).text


def test_same_run_same_page(run):
    before = (run / "report.html").read_bytes()
    assert html.write(run).read_bytes() == before


def test_large_pictures_are_made_smaller_and_fewer(tmp_path, monkeypatch):
    run = fake_run.make(tmp_path / "run", side=256, pairs=12, models=("mcnet", "tpsm"), metrics=FEW)
    full = html.write(run).stat().st_size
    monkeypatch.setattr(html.pictures, "BUDGET", 40_000)
    small = html.write(run)
    assert small.stat().st_size < full / 2
    assert Page(small.read_text(encoding="utf-8")).outputs("mcnet", difference=True)


def test_reports_need_neither_bench_nor_torch():
    """Of the protocols they read names and how files and videos are written, nothing of data."""
    code = (
        "import sys; from reports.run import html, console, export; "
        "print(*sorted(name for name in sys.modules if name.split('.')[0] in "
        "('bench', 'torch', 'baselines', 'protocols')))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True, text=True)
    own = ["files", "names", "video_writing", "words"]
    assert found.stdout.split() == ["protocols", *(f"protocols.{name}" for name in own)]
