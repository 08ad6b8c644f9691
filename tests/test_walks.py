"""The pages that a new user follows line by line: every command on them works, in this order.

A block behind ``<!-- not run: WHY -->`` is left out.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"(<!-- not run: [^\n]+ -->\n)?```(\w+)\n(.*?)```", re.DOTALL)
FILE = re.compile(r"`(\w+\.py)`:\n\n```python\n(.*?)```", re.DOTALL)

pytestmark = [pytest.mark.slow, pytest.mark.longest]


def lines(page: str) -> str:
    """The commands of a page, those of its workflow that call the program included."""
    found = []
    for skipped, language, block in BLOCK.findall(page):
        if language == "sh" and not skipped:
            found.append(block)
        if language == "yaml":
            steps = next(iter(yaml.safe_load(block)["jobs"].values()))["steps"]
            found += [step["run"] for step in steps if step.get("run", "").startswith("python -m bench")]
    return "\n".join(found)


@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("getting-started", ["runs/first/report.html", "runs/scored/report.html", "study-published/votes.csv"]),
        ("ci-gate", ["drift.json", "gate.xml"]),
        ("figures", ["figure.pdf", "memory.png", "conditioned.pdf", "runs/demo/gallery.html"]),
        ("inspect", ["seen/inspect.html"]),
        ("metrics", []),
    ],
)
def test_the_commands_of_a_page_work(name, left, tmp_path, sample_set, cache):
    page = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    for file, content in FILE.findall(page):
        (tmp_path / file).write_text(content, encoding="utf-8")
    (tmp_path / "cache").symlink_to(cache)
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "TALKING_HEAD_BENCH_CACHE": str(cache),
    }
    script = ["sh", "-ec", lines(page)]
    done = subprocess.run(script, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [file for file in left if not (tmp_path / file).is_file()] == []
    if name == "getting-started":  # both clips show one man
        summary = json.loads((tmp_path / "runs" / "scored" / "summary.json").read_text(encoding="utf-8"))
        assert summary["clusters"]["source"]["identities"] == 1
