"""Models by name, and plug-ins from other packages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import torch

from baselines import registry
from baselines.card import MODELS, card
from baselines.predictor import ModelError

CPU = torch.device("cpu")
ROOT = Path(registry.__file__).parent.parent


def load(spec, weights=None):
    return registry.load(spec, weights=weights, device=CPU)


def test_unknown_names_get_the_nearest():
    for spec, near in {"mcnte": "mcnet", "TPSM": "tpsm", "copysource": "copy-source", "fom?x=1": "fomm"}.items():
        with pytest.raises(ModelError, match=f"did you mean.*{near}"):
            load(spec)
    with pytest.raises(ModelError, match="there are fomm.*cmd:COMMAND"):
        load("xyzzy")


def test_malformed_options():
    for spec in ("fomm?align_corners", "fomm?=true", "fomm?weights=a&&"):
        with pytest.raises(ModelError, match="options are written fomm"):
            load(spec)
    with pytest.raises(ModelError, match="takes no options"):
        load("copy-source?x=1")


def test_names(tmp_path):
    infos = {info.name: info for info in registry.names(tmp_path)}
    assert {*MODELS, "copy-source", "copy-target", "frames:DIR", "cmd:COMMAND"} <= infos.keys()
    assert "avd" in infos["tpsm"].motion_modes and "avd" not in infos["fomm"].motion_modes
    (tmp_path / "vox.pth.tar").touch()
    words = {info.name: info.weights for info in registry.names(tmp_path)}
    assert words["tpsm"] == f"{tmp_path / 'vox.pth.tar'} (unverified: no checksum is known)"
    expected = "sample weights" if card("mcnet").sample.is_file() else "none; needs mcnet.pth.tar"
    assert words["mcnet"].startswith(expected)
    (tmp_path / "vox-cpk.pth.tar").touch()
    (tmp_path / "vox-adv-cpk.pth.tar").touch()
    assert "several" in {info.name: info.weights for info in registry.names(tmp_path)}["fomm"]


def plugin(monkeypatch, value):
    entry = EntryPoint("other", value, registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry] if group == registry.GROUP else [])


def test_plugins_that_fail(monkeypatch):
    plugin(monkeypatch, "no_such_module_anywhere:Model")
    with pytest.raises(ModelError, match="plug-in other .* failed: ModuleNotFoundError"):
        load("other")
    assert "broken plug-in" in next(info for info in registry.names() if info.name == "other").summary
    plugin(monkeypatch, "builtins:dict")
    with pytest.raises(ModelError, match="gave a dict, not a Predictor"):
        load("other")
    plugin(monkeypatch, "baselines.bounds:CopySource")  # takes no arguments
    with pytest.raises(ModelError, match="TypeError"):
        load("other")
    assert next(info for info in registry.names() if info.name == "other").kind == "plug-in"


def test_the_package_of_the_docs(tmp_path):
    """Build and install the package that docs/adding-a-model.md shows, and use it through the registry."""
    page = (ROOT / "docs" / "adding-a-model.md").read_text()
    project, installed = tmp_path / "project", tmp_path / "installed"
    project.mkdir()
    for name, text in re.findall(r"^`(pyproject\.toml|my_talking_head\.py)`\n\n```\w+\n(.*?)^```", page, re.S | re.M):
        (project / name).write_text(text)
    assert len((project / "my_talking_head.py").read_text().splitlines()) <= 25
    install = ["-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index", "--target", installed]
    subprocess.run([sys.executable, *map(str, install), str(project)], check=True, capture_output=True)
    program = (
        "import torch\n"
        "from baselines import registry\n"
        "from baselines.predictor import ModelError, PairBatch\n"
        "info = next(i for i in registry.names() if i.name == 'my-model')\n"
        "assert (info.kind, info.motion_modes) == ('plug-in', ('absolute',)), info\n"
        "assert info.summary == 'Half photograph, half driving frame.'\n"
        "model = registry.load('my-model?share=0.25', weights=None, device=torch.device('cpu'))\n"
        "batch = PairBatch(('a',), torch.ones(1, 3, 4, 4), torch.zeros(1, 3, 4, 4))\n"
        "assert (model.predict(batch, 'absolute') == 0.25).all() and model.describe()['share'] == 0.25\n"
        "try:\n"
        "    registry.load('my-model?share=7', weights=None, device=torch.device('cpu'))\n"
        "except ModelError as error:\n"
        "    print(error)\n"
    )
    path = os.pathsep.join([str(installed), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "my-model: share is between 0 and 1, not 7"
