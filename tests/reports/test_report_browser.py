"""The report in a real browser, where one is installed."""

from __future__ import annotations

import html as markup
import json
import re
import subprocess

from support import fake_run
from support.browsers import BROWSER, needed

from reports.run import html

FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync --disable-dev-shm-usage --virtual-time-budget=20000 --dump-dom"""
# a headless window is never narrower than about 500 px, so each width is a frame inside one wide window
LAB = """<!doctype html><meta charset="utf-8"><body><pre id="found"></pre><script>
const page = %s, widths = %s, found = {};
for (const width of widths) {
  const frame = document.createElement("iframe");
  frame.style.cssText = `width:${width}px;height:900px;border:0`;
  frame.onload = () => {
    const inside = frame.contentDocument, root = inside.documentElement;
    inside.querySelectorAll("details").forEach(e => e.open = true);
    const scrolls = e => e.closest(".scroll, nav div") !== null;
    const sticky = inside.querySelector(".results tbody th");
    const box = sticky.closest(".scroll"), before = sticky.getBoundingClientRect().left;
    box.scrollLeft = 150;
    found[width] = {
      inner: frame.contentWindow.innerWidth,
      page: root.scrollWidth,
      outside: [...inside.body.querySelectorAll("*")]
        .filter(e => !scrolls(e) && e.getBoundingClientRect().right > width + 1).map(e => e.outerHTML.slice(0, 80)),
      spilled: [...inside.querySelectorAll(".sticky tbody th")]
        .filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent),
      bent: [...inside.querySelectorAll(".strip img")].map(e => [e.getBoundingClientRect(), e.closest("figure")])
        .filter(([box, figure]) => Math.abs(box.width - box.height) > 1
          || box.bottom > figure.getBoundingClientRect().bottom + 1).length,
      images: [...inside.images].filter(e => !(e.complete && e.naturalWidth)).length,
      shown: inside.images.length,
      scrolled: box.scrollLeft,
      moved: Math.abs(sticky.getBoundingClientRect().left - before),
    };
    if (Object.keys(found).length === widths.length)
      document.getElementById("found").textContent = JSON.stringify(found);
  };
  frame.srcdoc = page;
  document.body.append(frame);
}
</script>"""


@needed
def test_nothing_overflows_at_any_width(tmp_path):
    models = ("mcnet", "a-third-party-model-with-a-very-long-name-indeed", "copy-source", "copy-target")
    run = fake_run.make(tmp_path / "run", models=models, clip="test/id10280#NXjT3732Ekg#001093#001192.mp4")
    page = json.dumps(html.write(run).read_text(encoding="utf-8")).replace("</", "<\\/")
    widths = [390, 768, 1440]
    (tmp_path / "lab.html").write_text(LAB % (page, widths), encoding="utf-8")
    command = [BROWSER, *FLAGS.split(), f"--user-data-dir={tmp_path / 'profile'}", (tmp_path / "lab.html").as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout
    found = json.loads(markup.unescape(re.search(r'<pre id="found">(.*?)</pre>', shown, re.S).group(1)))
    assert {int(width) for width in found} == set(widths)
    for width, seen in found.items():
        assert seen["inner"] == int(width)
        assert seen["page"] <= seen["inner"], seen
        assert seen["outside"] == [], width
        assert seen["spilled"] == [], width  # a name ends in its own column
        assert seen["bent"] == 0, width  # pictures are square, and stand above one another
        assert seen["images"] == 0 and seen["shown"] > 20
    phone = found["390"]
    assert phone["scrolled"] > 0 and phone["moved"] < 1  # the table scrolls in itself, its first column stays
