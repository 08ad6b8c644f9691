"""A gallery shows pairs drawn by lot, failures among them, and needs nothing from elsewhere."""

from __future__ import annotations

import re
import shutil
from html import unescape
from importlib import metadata
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
from PIL import Image
from support.manifests import manifest_of
from support.small_run import PAIRS


def test_every_model_is_shown_for_every_pair(run: Path, bench, tmp_path: Path) -> None:
    copy = tmp_path / "r"
    shutil.copytree(run, copy)
    assert bench("report", copy, "--gallery", "--limit", PAIRS)[0] == 0
    page = (copy / "gallery.html").read_text("utf-8")
    articles = re.findall(r"<article.*?</article>", page, re.DOTALL)
    assert [re.search(r"<code>(.*?)</code>", one)[1] for one in articles] == list(
        pd.read_parquet(run / "samples.parquet")["pair"].unique()
    )
    for one in articles:
        failed = "<code>0001-a</code>" in one
        assert re.findall(r'data-model="(.*?)"', one) == ["fomm", "mcnet", "ostnet", "broken"]
        assert one.count("<img") == 3 + 4 - failed and one.count('loading="lazy"') == one.count("<img")
        assert ("no frame" in one) == failed
    files = [copy / unquote(unescape(name)) for name in re.findall(r'<img[^>]* src="(.*?)"', page)]
    assert len(set(files)) == len(files) == PAIRS * 7 - 1
    for file in files[:7]:
        assert Image.open(file).size == (256, 256)
    shown = np.asarray(Image.open(copy / "gallery" / "0000-a.source.webp").convert("RGB")).astype(int)
    original = np.asarray(Image.open(run / "pictures" / "_source" / "0000-a.png")).astype(int)
    assert np.abs(shown - original).mean() < 5
    assert not re.search(r"(src|href)=\"(https?:)?//", page)
    assert "gallery.html" in (copy / "report.html").read_text("utf-8")
    head, navigation, footer = page[: page.index("<nav")], page[page.index("<nav") :], page[page.index("<footer") :]
    assert navigation.index('href="report.html"') < navigation.index("</nav>") and 'class="skip"' in head
    digest = manifest_of(copy).sha256
    assert f'<code title="{digest}">' in footer and metadata.version("talking-head-bench") in footer


def test_pairs_are_drawn_by_lot_from_all_of_the_list(run: Path, bench, tmp_path: Path) -> None:
    copy = tmp_path / "r"
    shutil.copytree(run, copy)
    ids = list(pd.read_parquet(run / "samples.parquet")["pair"].unique())
    assert bench("report", copy, "--gallery", "--limit", "2")[0] == 0
    page = (copy / "gallery.html").read_text("utf-8")
    first, second = re.findall(r"<code>(.*?)</code>", page)
    assert ids.index(first) < PAIRS // 2 <= ids.index(second) and f"2 of {PAIRS} pairs" in page


def test_scored_videos_show_what_was_kept(gray_run: Path, bench, tmp_path: Path) -> None:
    copy = tmp_path / "r"
    shutil.copytree(gray_run, copy)
    assert bench("report", copy, "--gallery")[0] == 0
    page = (copy / "gallery.html").read_text("utf-8")
    kept = {file.stem for file in (copy / "pictures" / "_source").iterdir()}
    assert set(re.findall(r"<code>(.*?)</code>", page)) <= kept and "middle frame" in page


def test_options_without_effect_are_refused(run: Path, bench) -> None:
    for arguments, code in (
        (["--limit", "3"], "unused-option"),
        (["--gallery", "--format", "md"], "conflicting-options"),
        (["--gallery", "--single-file"], "conflicting-options"),
    ):
        refused = bench("report", run, *arguments)
        assert (refused[0], refused.error) == (2, code)
