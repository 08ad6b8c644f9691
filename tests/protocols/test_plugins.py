"""Entry points: protocols and data sets of installed packages, names that clash, packages that are broken."""

from __future__ import annotations

import re

import pytest
from support.packages import install
from support.refused import refused

from protocols import catalogue, datasets, plugins
from protocols.custom_dataset import open_dataset
from protocols.errors import PluginError
from protocols.pairs import FrameRef

CODE = """
from protocols.catalogue import Protocol
from protocols.datasets import Dataset

def protocol(name="mine", **other):
    facts = {"version": 1, "summary": "mine", "dataset": "vox1", "strategy": "same-identity"}
    facts |= {"reference": "same-identity", "metrics": ("l1",)}
    return Protocol(name=name, **facts | other)

PROTOCOL = protocol()
OTHER = protocol("other")
WRONG = protocol("wrong", reference="some")
NUMBER = 3
UNTYPED = protocol("untyped", summary=None)
LETTERS = protocol("letters", metrics="l1")
TABLES = protocol("tables", tables=("mcnet-1a",))
HUGE = protocol("huge", frame_size=100_000)

class Frames(Dataset):
    layout = "<clip>/<frame>.png, of mine"

def fails():
    return {}["key"]

def leaves():
    raise SystemExit(0)
"""


def test_a_package_adds_a_protocol_and_a_data_set(monkeypatch, tmp_path):
    install(monkeypatch, tmp_path, "thb_one", CODE, {"protocol": {"mine": "PROTOCOL"}, "data set": {"set": "Frames"}})
    protocol = catalogue.get("mine")
    assert (protocol.sample, protocol.readings, protocol.custom) == ("sameid", (), False)
    assert catalogue.registered() == {"mine": protocol} and "mine" not in catalogue.names()
    assert "set" in datasets.names() and "set" not in datasets.LAYOUTS
    (tmp_path / "data" / "clip").mkdir(parents=True)
    assert open_dataset("set", tmp_path / "data").layout == "<clip>/<frame>.png, of mine"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("gone", "thb_nowhere:PROTOCOL", r"ModuleNotFoundError: .*'thb_nowhere'"),
        ("gone", "NOTHING", "AttributeError"),
        ("number", "NUMBER", r"\bint\b.* Protocol$"),
        ("fails", "fails", "KeyError: 'key'"),
        ("wrong", "WRONG", "reference: "),
        ("another", "OTHER", r"\bother\b.*\banother$"),
        ("untyped", "UNTYPED", "summary: "),
        ("letters", "LETTERS", "metrics: "),
        ("tables", "TABLES", "tables: "),
        ("huge", "HUGE", "frame_size: 100000"),
        ("leaves", "leaves", "SystemExit: 0"),
    ],
)
def test_a_broken_protocol_is_one_line_and_breaks_nothing_else(monkeypatch, tmp_path, name, value, said):
    install(monkeypatch, tmp_path, "thb_two", CODE, {"protocol": {name: value, "mine": "PROTOCOL"}})
    with pytest.raises(PluginError) as caught:
        catalogue.get(name)
    line = str(caught.value)
    start = f"plug-in thb-two 1.0: protocol {name} ("
    assert line.startswith(start) and re.search(said, line[len(start) :]) and "\n" not in line
    assert catalogue.get("mine").name == "mine" and catalogue.get("vox1-sameid").name == "vox1-sameid"
    assert isinstance(catalogue.registered()[name], PluginError)


def test_a_name_that_is_taken_names_both(monkeypatch, tmp_path):
    entries = {"protocol": {"vox1-sameid": "PROTOCOL", "mine": "PROTOCOL"}, "data set": {"vox1": "Frames"}}
    install(monkeypatch, tmp_path / "a", "thb_three", CODE, entries)
    install(monkeypatch, tmp_path / "b", "thb_four", CODE, {"protocol": {"mine": "PROTOCOL"}})
    with refused(PluginError, "broken-plugin", "thb-three", "1.0", "vox1-sameid"):
        catalogue.get("vox1-sameid")
    with refused(PluginError, "broken-plugin", "thb-four", "1.0", "thb-three"):
        catalogue.get("mine")
    with refused(PluginError, "broken-plugin", "thb-three", "1.0", "vox1"):
        datasets.layout("vox1")
    assert catalogue.get("vox2-sameid").dataset == "vox2" and datasets.layout("vox2")


@pytest.mark.parametrize(
    ("name", "value", "said"), [("a", "NUMBER", "protocols.datasets.Dataset"), ("B", "Frames", "lower case")]
)
def test_a_data_set_that_cannot_be_used(monkeypatch, tmp_path, name, value, said):
    install(monkeypatch, tmp_path, "thb_five", CODE, {"data set": {name: value}})
    with refused(PluginError, "broken-plugin", said):
        datasets.layout(name)


def test_the_plugin_whose_code_failed_is_found(monkeypatch, tmp_path):
    install(monkeypatch, tmp_path, "thb_six", CODE, {"protocol": {"fails": "fails"}})
    [plugin] = plugins.registered("protocol")["fails"]
    with pytest.raises(KeyError) as caught:
        plugin.load()()
    assert plugins.culprit(caught.value).endswith(" thb-six 1.0")
    with pytest.raises(ValueError, match="int") as ours:
        int("x")
    assert plugins.culprit(ours.value) is None


@pytest.mark.parametrize(
    ("method", "asked"),
    [
        ("clips(self, split=None): return None", lambda data, ref: data.clips()),
        ("clips(self, split=None): return [1]", lambda data, ref: data.clips()),
        ("clips(self, split=None): return ['clip', 'clip']", lambda data, ref: data.clips()),
        ("frames(self, clip): return [0]", lambda data, ref: data.frames("clip")),
        ("identity(self, clip): return 3", lambda data, ref: data.identity("clip")),
        ("path(self, ref): return None", lambda data, ref: data.path(ref)),
        ("path(self, ref): return None", lambda data, ref: data.missing([ref])),
        ("size(self, ref): return None", lambda data, ref: data.size(ref)),
        ("original(self, ref): return None", lambda data, ref: data.frame(ref, 4)),
        ("original(self, ref): return np.zeros((4, 4, 3))", lambda data, ref: data.frame(ref, 4)),
        ("frame(self, *_): return np.zeros((4, 4, 3))", lambda data, ref: data.frame(ref, 4)),
        ("frame(self, *_): return np.zeros((3, 4, 4), np.uint8)", lambda data, ref: data.frame(ref, 4)),
        ("frame(self, *_): return np.zeros((4, 8, 3), np.uint8)", lambda data, ref: data.frame(ref, 4)),
    ],
)
def test_what_a_data_set_answers_is_checked(monkeypatch, tmp_path, method, asked):
    code = f"import numpy as np\nfrom protocols.datasets import Dataset\nclass Frames(Dataset):\n    def {method}\n"
    install(monkeypatch, tmp_path, "thb_odd_set", code, {"data set": {"odd": "Frames"}})
    (tmp_path / "data" / "clip").mkdir(parents=True)
    with refused(PluginError, "broken-plugin", method.partition("(")[0]):
        asked(open_dataset("odd", tmp_path / "data"), FrameRef("odd", "clip", "0"))
