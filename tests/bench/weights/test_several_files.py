"""Commands on a model whose checkpoint is several files, and on models that are not trained here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.command_line import call, call_unwrapped
from support.liveportrait_files import CARD, official_folder

from bench.weights.files import files
from bench.weights.files import model_size as size


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    official_folder(tmp_path / "liveportrait")
    return tmp_path


def test_every_file_is_listed_once_and_found(folder: Path) -> None:
    listed = [file for file in files(folder) if "liveportrait" in file.models]
    assert [file.name for file in listed] == [*CARD.published] and all(file.found for file in listed)
    assert not any(file.sha256 or file.megabytes for file in listed)
    assert re.findall(r"\d+ MB", size(CARD)) == ["518 MB"]


def test_the_doctor_says_what_is_missing(folder: Path, monkeypatch, capsys) -> None:
    _, text = call_unwrapped(monkeypatch, capsys, "doctor", "--all", "--weights", folder)
    assert str(folder / "liveportrait" / CARD.files[0]) in text and f"{CARD.files[0]}, without" not in text
    (folder / "liveportrait" / [*CARD.beside][-1]).unlink()
    _, text = call_unwrapped(monkeypatch, capsys, "doctor", "--all", "--weights", folder)
    assert f"{CARD.files[0]}, without {[*CARD.beside][-1]}" in text


def test_small_networks_are_not_the_published_files(folder: Path, monkeypatch, capsys) -> None:
    code, text = call_unwrapped(monkeypatch, capsys, "weights", "check", "--weights", folder)
    assert code == 1 and text.count("WRONG") >= 5, text


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("train", "--model", "wav2lip", "--data", "sample", "--steps", 1, "--out", "x.safetensors"), "no-training"),
        (("run", "--models", "liveportrait", "--protocol", "vox1-sameid", "--data", "sample"), "missing-weights"),
        (("samples", "build", "wav2lip"), "unknown-sample"),
    ],
)
def test_without_weights_or_training_one_line_says_so(arguments, error, monkeypatch, capsys, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(type(CARD), "sample", property(lambda self: tmp_path / "none"))
    ended = call(monkeypatch, capsys, *arguments)
    assert ended[0] == 2 and ended[1].count("\n") <= 1 and "Traceback" not in ended[1]
    assert ended.error == error
    assert not [*tmp_path.iterdir()]


def test_they_are_exported_as_one_file_only(folder: Path, monkeypatch, capsys, tmp_path: Path) -> None:
    source = folder / "liveportrait" / CARD.files[0]
    assert call(monkeypatch, capsys, "export-weights", source, tmp_path / "one.pth")[0] == 2
    code, text = call(
        monkeypatch, capsys, "export-weights", source, tmp_path / "one.safetensors", "--model", "liveportrait"
    )
    assert code == 0 and (tmp_path / "one.safetensors").is_file(), text
