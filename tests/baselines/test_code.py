"""What counts as the code of a program or a plug-in, and that each edit of it shows."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint, PathDistribution
from pathlib import Path

import pytest
import torch

from baselines import code, registry
from baselines.code import local_modules
from baselines.external.program import RUNS, USES, of_program
from protocols import plugins
from protocols.plugins import GROUPS

ROOT = Path(registry.__file__).parent.parent


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Write files into the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PYTHONPATH", raising=False)

    def write(files: dict[str, str]) -> Path:
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        return tmp_path

    return write


REPOSITORY = {
    "repo/demo.py": "import os, numpy\nfrom modules.generator import Generator\nimport lonely\n",
    "repo/modules/generator.py": "from modules import util\nfrom .deep.blocks import Block\n",
    "repo/modules/util.py": "def f():\n    import late\n",
    "repo/modules/deep/__init__.py": "from . import extra\n",
    "repo/modules/deep/blocks.py": "from ..other import *\n",
    "repo/modules/deep/extra.py": "",
    "repo/modules/other.py": "",
    "repo/modules/unused.py": "",
    "repo/lonely.py": "this is no Python of today",
    "repo/late.py": "",
    "repo/config.yaml": "",
    "repo/weights.bin": "",
    "repo/run.sh": "#!/bin/bash\ncd repo && python demo.py --config=config.yaml $1 $2 > out.log\n",
}
IMPORTED = {
    *("lonely.py", "late.py", "modules/generator.py", "modules/util.py", "modules/other.py"),
    *("modules/deep/__init__.py", "modules/deep/blocks.py", "modules/deep/extra.py"),
}


def test_modules_of_a_script_are_those_that_it_imports_from_its_folder(tree):
    repo = tree(REPOSITORY) / "repo"
    found = local_modules([repo / "demo.py"], repo)
    assert {str(file.relative_to(repo)) for file in found} == IMPORTED


@pytest.mark.parametrize(
    ("command", "files"),
    [
        (["python", "repo/demo.py", "{pairs}"], {"demo.py", *IMPORTED}),
        (["python3.11", "repo/demo.py", "--w=repo/weights.bin"], {"demo.py", "weights.bin", *IMPORTED}),
        (["bash", "repo/run.sh", "{pairs}", "{out}"], {"run.sh", "demo.py", "config.yaml", *IMPORTED}),
        (["bash", "-c", "cd repo && python demo.py {pairs} {out}"], {"demo.py", *IMPORTED}),
        (["./repo/run.sh"], {"run.sh", "demo.py", "config.yaml", *IMPORTED}),
        (["python", "-m", "repo.lonely"], {"repo/lonely.py"}),
        (["python", "-c", "print(1)", "repo/no.py", "x" * 5000, "a\0b"], set()),
    ],
)
def test_the_code_of_a_command(tree, command, files):
    (tree(REPOSITORY) / "repo" / "run.sh").chmod(0o755)
    assert set(of_program(command).files) == files


PLACES = {
    "prog/net.py": "",
    "prog/vars.env": "SCRIPT=net.py\n",
    "prog/pkg/__init__.py": "",
    "prog/pkg/__main__.py": "import pkg.net\n",
    "prog/pkg/net.py": "",
    "other/up.py": "",
}
PKG = {"pkg/__init__.py", "pkg/__main__.py", "pkg/net.py"}


UP = "cd $(dirname $0)/../other; python up.py"
IN_RUN = "in run.sh"


@pytest.mark.parametrize(
    ("script", "files", "not_covered"),
    [
        ('HERE="$(cd "$(dirname "$0")" && pwd)"\npython "$HERE/net.py" "$@"\n', {"net.py"}, ()),
        ('python "$(dirname "$0")/net.py" "$@"', {"net.py"}, ()),
        ('python "`dirname $0`"/net.py', {"net.py"}, ()),
        ("exec python ${BASH_SOURCE%/*}/net.py $@", {"net.py"}, ()),
        ("# python old.py\npython -u \\\n  $DIR/pkg/net.py", {"net.py"}, ()),
        (UP, {"up.py"}, ()),
        ('cd "$(dirname "$0")" && python -m pkg "$@"', PKG, ()),
        ("cd ROOT/prog && python -m pkg", PKG, ()),
        ("PYTHONPATH=ROOT/prog:$PYTHONPATH python -m pkg.net", PKG, ()),
        (". ROOT/prog/vars.env\npython $SCRIPT", {"vars.env", "net.py"}, ()),
        ("source vars.env && python $SCRIPT", {"vars.env", "net.py"}, ()),
        ("source lost.env", set(), (f"lost.env {IN_RUN}",)),
        ("python $HERE/lost.py > $2/log.txt", set(), (f"$HERE/lost.py {IN_RUN}",)),
        ("python -m lost_package.net", set(), (f"module lost_package.net {IN_RUN}",)),
        ("curl https://a.b/c.json; python -m venv x", set(), ()),
        ("python -c 'import net'", set(), ("what python -c in run.sh imports",)),
    ],
)
def test_what_shell_scripts_name(tree, script, files, not_covered):
    root = tree(PLACES)
    tree({"prog/run.sh": script.replace("ROOT", str(root))})
    found = of_program(["bash", "prog/run.sh"])
    assert set(found.files) == {"run.sh", *files} and found.not_covered == not_covered


@pytest.mark.parametrize(
    ("command", "files"),
    [
        (["env", "PYTHONPATH=prog", "python", "-m", "pkg"], PKG),
        (["bash", "-c", "PYTHONPATH=prog python -m pkg.net"], PKG),
        (["python", "prog/flat"], {"__main__.py", "beside.py"}),
    ],
)
def test_packages_that_are_no_module_of_the_working_folder(tree, command, files):
    tree({**PLACES, "prog/flat/__main__.py": "import beside", "prog/flat/beside.py": ""})
    assert set(of_program(command).files) == files


def test_imported_modules_that_are_nowhere_are_named(tree):
    text = "import sys, numpy, near, os.path\nsys.path.insert(0, 'lib')\nimport helper.sub, bench\n"
    tree({"prog/m.py": text, "prog/near.py": "from lost import x", "lib/helper.py": "", "helper.py": ""})
    assert of_program(["python", "prog/m.py"]).not_covered == ("module helper", "module lost")


@pytest.mark.parametrize("name", sorted({"demo.py", "config.yaml", "run.sh", *IMPORTED}))
def test_each_edit_shows_by_name(tree, name):
    root = tree(REPOSITORY)
    before = of_program(["bash", "repo/run.sh"])
    assert of_program(["bash", "repo/run.sh"]) == before
    with (root / "repo" / name).open("a") as stream:
        stream.write("# edited\n")
    after = of_program(["bash", "repo/run.sh"])
    assert after.sha256 != before.sha256
    assert {file for file in before.files if before.files[file] != after.files[file]} == {name}


def test_what_is_not_covered_is_said(tree):
    tree(REPOSITORY)
    assert of_program(["python", "-c", "print(1)"]).not_covered == (RUNS.format("python"),)
    assert "folder repo" in of_program(["python", "repo/demo.py", "repo"]).not_covered
    assert of_program(["true"]).not_covered == (USES.format("true"),) and len(of_program(["true"]).files) == 1


def test_large_files_count_by_size_and_time(tree, monkeypatch):
    tree(REPOSITORY)
    monkeypatch.setattr(code, "LARGEST", 5)
    found = of_program(["python", "repo/lonely.py"])
    assert "bytes of" in found.files["lonely.py"] and "lonely.py" in found.not_covered[0]


def test_code_does_not_depend_on_where_it_is(tree, monkeypatch):
    root = tree(REPOSITORY)
    one = of_program(["python", str(root / "repo" / "demo.py")])
    monkeypatch.chdir(root / "repo")
    assert of_program(["python", "demo.py"]) == one


PLUGIN = "from baselines.bounds import CopySource\n\n\nclass Model(CopySource):\n    def __init__(self, **_): pass\n"


@pytest.mark.parametrize(
    ("files", "value", "edited"),
    [
        ({"mine_single.py": PLUGIN}, "mine_single:Model", "mine_single.py"),
        ({"mine_package/__init__.py": "", "mine_package/net.py": PLUGIN}, "mine_package.net:Model", None),
        ({"mine_package2/__init__.py": "", "mine_package2/a/b.py": PLUGIN}, "mine_package2.a.b:Model", "new/cfg.yaml"),
        ({"mine_beside.py": "import beside_it\n" + PLUGIN, "beside_it.py": ""}, "mine_beside:Model", "beside_it.py"),
    ],
)
def test_the_code_of_a_plugin(tree, monkeypatch, files, value, edited):
    root = tree(files)
    monkeypatch.syspath_prepend(str(root))
    entry = EntryPoint("other", value, GROUPS["model"])
    monkeypatch.setattr(plugins, "entry_points", lambda group: [entry] if group == entry.group else [])
    checkpoint = root / "file.bin"
    checkpoint.write_text("1")

    def found(spec="other"):
        return registry.code(spec, registry.load(spec, weights=None, device=torch.device("cpu")))

    before = found()
    assert set(before.files) == set(files)
    if edited is None:
        edited = "mine_package/net.py"
    place = edited.replace("new/", f"{value.partition('.')[0]}/")
    (root / place).write_text("# edited")
    after = found()
    assert {name for name in {**before.files, **after.files} if before.files.get(name) != after.files.get(name)} == {
        place
    }
    with_file = found(f"other?checkpoint={checkpoint}")
    checkpoint.write_text("2")
    assert with_file.files.keys() == after.files.keys() | {"file.bin"}
    assert found(f"other?checkpoint={checkpoint}").sha256 != with_file.sha256


def test_an_installed_plugin_has_its_distributions_files_and_version(tree, monkeypatch):
    root = tree(
        {
            "site-packages/mine_installed.py": PLUGIN,
            "site-packages/mine_other.py": "",
            "site-packages/unrelated.py": "",
            "site-packages/mine-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: mine\nVersion: 1.0\n",
            "site-packages/mine-1.0.dist-info/RECORD": "mine_installed.py,,\nmine_other.py,,\n"
            "mine-1.0.dist-info/direct_url.json,,\n",
            "site-packages/mine-1.0.dist-info/direct_url.json": "{}",
            "site-packages/mine-1.0.dist-info/entry_points.txt": f"[{GROUPS['model']}]\nmine = mine_installed:Model\n",
        }
    )
    monkeypatch.syspath_prepend(str(root / "site-packages"))
    model = registry.load("mine", weights=None, device=torch.device("cpu"))
    files = registry.code("mine", model).files
    assert files.keys() == {"mine_installed.py", "mine_other.py", "(version)"} and files["(version)"] == "mine 1.0"
    assert isinstance(plugins.registered("model")["mine"][0].entry.dist, PathDistribution)
    sys.modules.pop("mine_installed")


def test_models_of_this_project_have_no_code_of_their_own(tmp_path):
    (tmp_path / "p0.png").touch()
    for spec in ("copy-source", f"frames:{tmp_path}"):
        assert registry.code(spec, registry.load(spec, weights=None, device=torch.device("cpu"))) is None
