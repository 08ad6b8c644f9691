"""Locations: command line before environment before bench.toml."""

from pathlib import Path

import pytest
from support.refused import refused

from bench.runtime import config
from bench.runtime.errors import UserError


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch, tmp_path):
    for variable in (config.WEIGHTS_VARIABLE, f"{config.DATA_VARIABLE}VOX1", f"{config.DATA_VARIABLE}HDTF"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)


def test_order_of_precedence(monkeypatch, tmp_path):
    (tmp_path / "bench.toml").write_text('[data]\nvox1 = "/file"\nhdtf = "/file"\nceleb = "/file"\n')
    monkeypatch.setenv(f"{config.DATA_VARIABLE}VOX1", "/environment")
    monkeypatch.setenv(f"{config.DATA_VARIABLE}HDTF", "/environment")
    found = config.load(["VOX1=/option"]).data
    assert found == {"vox1": Path("/option"), "hdtf": Path("/environment"), "celeb": Path("/file")}


def test_paths_of_the_file_are_relative_to_it(tmp_path):
    file = tmp_path / "sub" / "bench.toml"
    (file.parent / "w").mkdir(parents=True)
    file.write_text('[data]\nvox1 = "frames"\n[weights]\npath = "w"\n')
    found = config.load(file=file)
    assert found.data["vox1"] == tmp_path / "sub" / "frames"
    assert found.weights == tmp_path / "sub" / "w"


def test_sample_is_asked_for_outright():
    assert config.load(["sample"]).sample
    assert not config.load([]).sample


def test_what_the_command_line_named(monkeypatch):
    monkeypatch.setenv(f"{config.DATA_VARIABLE}HDTF", "/environment")
    assert config.load(["Vox1=/a", "sample", "mine=/b"]).asked == ("vox1", "mine")


@pytest.mark.parametrize(
    ("options", "code", "name"),
    [
        (["mine=/a", "Mine=/b"], "duplicate-option", "mine"),
        (["sample=/a"], "bad-name", "sample"),
        (["a/b=/a"], "bad-name", "a/b"),
        (["a\\b=/a"], "bad-name", repr("a\\b")),
    ],
)
def test_names_that_no_list_can_have(options, code, name):
    with refused(UserError, code, name):
        config.load(options)


@pytest.mark.parametrize("option", ["vox1", "=x", "vox1=", ""])
def test_malformed_data_option(option):
    with refused(UserError, "bad-value", f"--data {option}:", "NAME=PATH"):
        config.load([option])


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        ("[data\n", "not-toml", "line 1"),
        ("[dta]\nvox1='x'\n", "unknown-key", "[dta]"),
        ("[data]\nvox1=3\n", "bad-value", "[data]"),
        ("data=3\n", "bad-value", "[data]"),
    ],
)
def test_malformed_file(tmp_path, text, code, word):
    (tmp_path / "bench.toml").write_text(text)
    with refused(UserError, code, "bench.toml", word):
        config.load()


def test_missing_weights_folder(tmp_path):
    with refused(UserError, "missing-folder"):
        config.load(weights=tmp_path / "nowhere")


def test_cache_folder_from_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv(config.CACHE_VARIABLE, str(tmp_path))
    assert config.cache_folder() == tmp_path


def test_links_are_followed_where_the_user_says_so(tmp_path):
    (file := tmp_path / "bench.toml").write_text('[data]\nfollow_links = true\nvox1 = "v"\n')
    found = config.load(file=file)
    assert found.follow_links and found.data == {"vox1": tmp_path / "v"}
    assert not config.load(file=file, follow_links=False).follow_links
    assert not config.load(file=tmp_path / "none.toml").follow_links
    assert config.load(file=tmp_path / "none.toml", follow_links=True).follow_links
    for wrong in ('[data]\nfollow_links = "yes"\n', "[weights]\nfollow_links = true\n"):
        file.write_text(wrong)
        with pytest.raises(UserError, match="NAME ="):
            config.load(file=file)
