"""Models by name, and plug-ins from other packages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support.packages import install
from support.refused import refused

from baselines import code, listing, registry
from baselines.card import MODELS, NO_CHECKSUM, card
from baselines.predictor import ModelError
from protocols.errors import PluginError

CPU = torch.device("cpu")
ROOT = Path(registry.__file__).parent.parent


def load(spec, weights=None):
    return registry.load(spec, weights=weights, device=CPU)


def test_unknown_names_get_the_nearest():
    for spec, near in {"mcnte": "mcnet", "TPSM": "tpsm", "copysource": "copy-source", "fom?x=1": "fomm"}.items():
        with refused(ModelError, "unknown-model", near):
            load(spec)
    with refused(ModelError, "unknown-model", "fomm", "cmd:COMMAND"):
        load("xyzzy")


def test_malformed_options():
    for spec in ("fomm?align_corners", "fomm?=true", "fomm?weights=a&&"):
        with refused(ModelError, "bad-model-spec"):
            load(spec)
    with refused(ModelError, "bad-model-spec", "mine.py:"):
        load("mine.py")
    with refused(ModelError, "unknown-option"):
        load("copy-source?x=1")


def test_names(tmp_path):
    infos = {info.name: info for info in listing.names(tmp_path)}
    assert {*MODELS, "copy-source", "copy-target", "frames:DIR", "cmd:COMMAND"} <= infos.keys()
    assert "avd" in infos["tpsm"].motion_modes and "avd" not in infos["fomm"].motion_modes
    (tmp_path / "vox.pth.tar").touch()
    words = {info.name: info.weights for info in listing.names(tmp_path)}
    assert words["tpsm"] == f"{tmp_path / 'vox.pth.tar'} (unverified: {NO_CHECKSUM})"
    expected = "sample weights" if card("mcnet").sample.is_file() else "no weights; needs mcnet.pth.tar"
    assert words["mcnet"].startswith(expected)
    (tmp_path / "vox-cpk.pth.tar").touch()
    (tmp_path / "vox-adv-cpk.pth.tar").touch()
    assert "several" in {info.name: info.weights for info in listing.names(tmp_path)}["fomm"]


BROKEN = """
from baselines.predictor import Predictor

class Bare(Predictor):
    motion_modes = ("absolute",)

    def __init__(self, device, weights=None, side="4"):
        self.side = int(side)

    def predict(self, batch, mode):
        return batch.source

class Modes(Bare):
    motion_modes = ("fast",)

class Nested(Bare):
    motion_modes = (["absolute"],)

class Side(Bare):
    frame_size = "256"

class Leaves(Bare):
    def __init__(self, device, weights=None):
        raise SystemExit

MODEL = dict
"""


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("no_such_module_anywhere:Model", "ModuleNotFoundError"),
        ("MODEL", "baselines.predictor"),  # a dict
        ("baselines.bounds:CopySource", "TypeError"),  # takes no arguments
        ("Modes", "motion_modes ('fast',)"),
    ],
)
def test_plugins_that_fail(monkeypatch, tmp_path, value, said):
    install(monkeypatch, tmp_path, "thb_broken", BROKEN, {"model": {"other": value}})
    with refused(PluginError, "broken-plugin", said):
        load("other")
    info = next(info for info in listing.names() if info.name == "other")
    assert info.kind == "plug-in" and ("broken" in info.weights) == (said == "ModuleNotFoundError")


def test_a_plugin_cannot_take_the_name_of_a_model(monkeypatch, tmp_path):
    install(monkeypatch, tmp_path, "thb_broken", BROKEN, {"model": {"fomm": "Bare", "copy-source": "Bare"}})
    for name in ("fomm", "copy-source"):
        with refused(PluginError, "broken-plugin", name):
            load(name)
    assert load("copy-target").name == "copy-target"


def test_a_class_in_a_file(tmp_path):
    file = tmp_path / "my-model.v2.py"
    file.write_text(f"import beside_the_model\n{BROKEN}")
    (tmp_path / "beside_the_model.py").write_text("")
    spec = f"mine={file}:Bare?side=8"
    model = load(spec)
    assert (model.side, model.name) == (8, f"{file}:Bare")
    before = registry.code(spec, model)
    assert before.files.keys() == {"my-model.v2.py", "beside_the_model.py"}
    file.write_text(f"import beside_the_model\n{BROKEN}\n")
    after = registry.code(spec, load(spec))
    assert after.sha256 != before.sha256
    (tmp_path / "beside_the_model.py").write_text("# edited")
    assert registry.code(spec, load(spec)).sha256 not in (before.sha256, after.sha256)


@pytest.mark.parametrize(
    ("text", "target", "said"),
    [
        (None, "Bare", "/mine.py: "),
        (BROKEN, "Gone", r"\bGone\b.*\bBare\b"),
        (BROKEN, "Bare?side=x", "ValueError"),
        (BROKEN, "MODEL", r"\bdict\b.*baselines\.predictor"),
        (BROKEN, "Bare?color=red", "TypeError"),
        ("import no_such_module_anywhere", "Bare", "ModuleNotFoundError"),
        ("from . import more", "Bare", "ImportError"),
        ("x = ", "Bare", "SyntaxError"),
        ("import sys\nsys.exit(0)", "Bare", "SystemExit: 0"),
        (BROKEN, "Leaves", "SystemExit"),
        (BROKEN, "Nested", "motion_modes"),
        (BROKEN, "Side", "frame_size '256'"),
    ],
)
def test_a_file_that_fails_is_one_line(tmp_path, text, target, said):
    file = tmp_path / "mine.py"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ModelError, match=said) as caught:
        load(f"{file}:{target}")
    assert str(caught.value).startswith(str(file)) and "\n" not in str(caught.value)


def test_names_that_are_no_option_of_a_file(tmp_path):
    (tmp_path / "mine.py").write_text(BROKEN)
    for option in ("device=cpu", "weights=x.pt"):
        with refused(ModelError, "unknown-option"):
            load(f"{tmp_path}/mine.py:Bare?{option}")
    with refused(ModelError, "bad-model-spec"):
        load(f"{tmp_path}/mine.py")


@pytest.mark.parametrize("where", ["", "    "])
def test_two_files_do_not_share_what_only_has_one_name(tmp_path, where):
    """The second would get the first one's module, and its frames, without a word."""
    module = f"net_of_two_files_{len(where)}"
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{module}.py").write_text(f"NAME = {folder!r}\n")
        imports = f"def name():\n    import {module}\n" if where else f"import {module}\n"
        (tmp_path / folder / "model.py").write_text(imports + BROKEN)
    load(f"{tmp_path}/a/model.py:Bare")
    load(f"{tmp_path}/a/../a/model.py:Bare?side=3")
    with refused(ModelError, "broken-plugin", module):
        load(f"{tmp_path}/b/model.py:Bare")
    (tmp_path / "b" / "model.py").write_text(BROKEN)
    assert load(f"{tmp_path}/b/model.py:Bare").side == 4


@pytest.mark.parametrize("where", ["", "def later():\n    "])
def test_a_module_beside_a_file_that_another_hides(tmp_path, where):
    (tmp_path / "model.py").write_text(f"{where}import colorsys\n{BROKEN}")
    load(f"{tmp_path}/model.py:Bare")
    (tmp_path / "colorsys.py").write_text("")
    with refused(ModelError, "broken-plugin", "colorsys"):
        load(f"{tmp_path}/model.py:Bare")


def test_a_file_in_a_folder_of_this_program_has_code_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setattr(code, "PROJECT", (tmp_path,))
    (tmp_path / "model.py").write_text("import parts_of_the_program\n" + BROKEN)
    (tmp_path / "parts_of_the_program.py").write_text("")
    spec = f"{tmp_path}/model.py:Bare"
    before = registry.code(spec, load(spec))
    assert before.files.keys() == {"model.py", "parts_of_the_program.py"} and before.not_covered
    (tmp_path / "model.py").write_text("import parts_of_the_program\n" + BROKEN + "\n")
    assert registry.code(spec, load(spec)).sha256 != before.sha256


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
        "from baselines import listing, registry\n"
        "from baselines.predictor import ModelError, PairBatch\n"
        "info = next(i for i in listing.names() if i.name == 'my-model')\n"
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
    line = done.stdout.strip()
    assert line.startswith("my-model: share ") and line.endswith(" 7") and "\n" not in line
