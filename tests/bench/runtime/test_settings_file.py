"""Files of settings: TOML and YAML alike, and nothing that YAML could do beyond naming values."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.runtime import settings_file
from bench.runtime.errors import UserError
from bench.training.command import read

TOML = """model = "fomm"
steps = 7
learning_rate = 2e-4
stages = [[64, 1.0, 2]]
bf16 = false
evaluate_every = 5
[evaluation]
metrics = ["l1", "lpips"]
limit = 3
"""
YAML = """model: fomm
steps: 7
learning_rate: 2e-4
stages: [[64, 1.0, 2]]
bf16: off
evaluate_every: 5
evaluation:
  metrics: [l1, lpips]
  limit: 3
"""


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    folder = tmp_path / "clips"
    (folder / "a").mkdir(parents=True)
    return folder


def write(file: Path, text: str | bytes) -> Path:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def refused(file: Path, clips: Path, **given: object) -> str:
    """The one line that a file is refused with."""
    with pytest.raises(UserError) as error:
        read(file, {"model": "fomm", "data": str(clips), "out": clips.parent / "out", "device": "cpu"} | given)
    message = str(error.value)
    assert error.value.code == "bad-settings-file", error.value.code
    assert "\n" not in message and len(message) < 1000 and file.name in message
    return message


@pytest.mark.parametrize("suffix", [".yaml", ".yml", ".YAML"])
def test_yaml_says_what_toml_says(suffix: str, clips: Path, tmp_path: Path) -> None:
    given = {"data": str(clips), "out": tmp_path / "out", "device": "cpu", "protocol": "vox1-crossid"}
    expected = read(write(tmp_path / "a.toml", TOML), given)
    found = read(write(tmp_path / f"a{suffix}", YAML), given)
    assert found[1] == expected[1] and found[0].evaluation == expected[0].evaluation
    assert found[1].learning_rate == 2e-4 and found[0].evaluation.limit == 3 and found[1].bf16 is False


def test_an_empty_file_sets_nothing(tmp_path: Path) -> None:
    for name in ("a.toml", "a.yaml"):
        assert settings_file.read(write(tmp_path / name, "# nothing\n")) == {}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("steps: many", "steps: "),
        ("steps: [1, 2]", "steps: "),
        ("speed: 3", "speed: "),
        ("steps: 0", "steps: "),
        ("evaluation: {protokol: x}", "evaluation.protokol: "),
        ("evaluation: 3", "evaluation: "),
        ("evaluation: {1: 2}", "evaluation"),
        ("steps: 1\nsteps: 2", "twice"),
        ("evaluation: {limit: 1, limit: 2}", "twice"),
        ("steps: [", "YAML"),
        ("steps: 1\n\tseed: 2", "YAML"),
        ("steps: *nowhere", "nowhere"),
        ("a: 1\n---\nb: 2", "YAML"),
        ("[1, 2]", "mapping"),
        ("fomm", "mapping"),
        ("1: 2", "mapping"),
        ("? [1]\n: 2", "YAML|mapping"),
        ("? {a: 1}\n: 2", "YAML"),
        ("steps: 2020-13-45", "YAML"),
        ("steps: !!int ''", "YAML"),
        ("steps: !!bool x", "YAML"),
        ("steps: !!timestamp x", "YAML"),
        ("steps: " + "9" * 5000, "YAML"),
        ("steps: " + "[" * 20000, "YAML"),
        ("steps: &a [*a]", "steps: "),
        ("stages: &a [*a]", "stages"),
        ("clips: &a [*a]", "clips"),
        (b"steps: \xff\xfe", "YAML"),
        (b"steps: \x00", "YAML"),
        (b" " * (1 << 20) + b"a: 1", "more than 1 MiB"),
    ],
)
def test_malformed_yaml_is_one_line(text: str | bytes, words: str, clips: Path, tmp_path: Path) -> None:
    message = refused(write(tmp_path / "a.yaml", text), clips)
    assert any(part in message for part in words.split("|")), message


def test_a_number_too_long_for_python_is_one_line_in_toml_too(clips: Path, tmp_path: Path) -> None:
    assert "as TOML" in refused(write(tmp_path / "a.toml", "steps = " + "9" * 5000), clips)
    assert "evaluation: " in refused(write(tmp_path / "a.toml", "evaluation = 3"), clips, protocol="vox1-crossid")


@pytest.mark.parametrize("tag", ["object/apply:os.system", "object/new:os.system", "name:os.system", "module:os"])
def test_tags_run_nothing(tag: str, clips: Path, tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    value = f"['touch {proof}']" if "apply" in tag or "new" in tag else "''"
    assert f"python/{tag}" in refused(write(tmp_path / "a.yaml", f"steps: !!python/{tag} {value}\n"), clips)
    assert not proof.exists()


BOMB = 'b0: &b0 ["x", "x", "x", "x", "x", "x", "x", "x", "x"]\n' + "".join(
    f"b{i}: &b{i} [{', '.join([f'*b{i - 1}'] * 9)}]\n" for i in range(1, 30)
)
MERGES = "b0: &b0 {x: 1}\n" + "".join(f"b{i}: &b{i} {{<<: [{', '.join([f'*b{i - 1}'] * 9)}]}}\n" for i in range(1, 30))
FIELDS = ("model", "data", "stages", "clips", "milestones", "evaluation", "steps", "recipe", "cache", "speed")


@pytest.mark.parametrize("content", [BOMB + "".join(f"{name}: *b29\n" for name in FIELDS), MERGES])
def test_bombs_of_aliases_neither_hang_nor_fill_the_memory(content: str, clips: Path, tmp_path: Path) -> None:
    """9^30 values if written out; in a process of its own with a limit of time and of memory."""
    file = write(tmp_path / "a.yaml", content)
    limits = "import resource; resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30)); "
    command = [sys.executable, "-c", limits + "from bench.cli.main import main; main()", "train", "--config", str(file)]
    given = ["--out", "out", "--data", str(clips), "--protocol", "vox1-sameid"]
    done = subprocess.run([*command, *given], capture_output=True, text=True, timeout=100, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1 and len(done.stderr) < 1000


@pytest.mark.parametrize("name", FIELDS)
def test_a_bomb_in_any_field_is_one_line(name: str, clips: Path, tmp_path: Path) -> None:
    lines = BOMB.replace("\n", "\n  ")
    recipe = "" if name == "recipe" else "recipe: published\n"
    file = write(tmp_path / "a.yaml", f"bombs:\n  {lines}\n{recipe}{name}: *b29\n")
    given = {"model": "fomm", "data": str(clips), "out": tmp_path / "out", "device": "cpu"}
    given.pop(name, None)
    with pytest.raises(UserError) as error:
        read(file, given)
    assert "\n" not in str(error.value)
