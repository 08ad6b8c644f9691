"""`--debug`: one line without it, the traceback with it, of plug-ins, pairs and worker processes."""

from __future__ import annotations

import os
import pickle

import pytest
from support.packages import install

from bench.detectors.worker import portable
from bench.runtime import debug

CODE = """
from protocols.catalogue import Protocol
from protocols.datasets import Dataset
from baselines.predictor import Predictor

def fails():
    raise KeyError("lost")

class Broken(Dataset):
    def clips(self, split=None):
        return [str(1 // 0)]

class Model(Predictor):
    def __init__(self, device, weights=None):
        pass

    def predict(self, batch, mode):
        raise ValueError("deaf")

PROTOCOL = Protocol("mine", 1, "mine", "broken", "same-identity", "same-identity", ("l1",))
"""


@pytest.fixture(autouse=True)
def quiet():
    yield
    debug.begin(False)


@pytest.fixture
def package(monkeypatch, tmp_path):
    entries = {"protocol": {"fails": "fails", "mine": "PROTOCOL"}, "data set": {"broken": "Broken"}}
    entries["model"] = {"broken": "Model", "nowhere": "thb_not_installed:Model"}
    return install(monkeypatch, tmp_path / "installed", "thb_debug", CODE, entries)


def test_a_plugin_that_fails_is_one_line_and_with_debug_its_traceback(bench, package):
    asked = ("run", "--protocol", "fails", "--models", "copy-source")
    code, text = bench(*asked)
    assert code == 2 and text.startswith("error: plug-in thb-debug 1.0: protocol fails")
    assert "Traceback" not in text and "KeyError" in text and debug.OPTION in text
    for given in ((debug.OPTION, *asked), (*asked, debug.OPTION)):
        code, text = bench(*given)
        assert code == 2 and "Traceback" in text and 'raise KeyError("lost")' in text


def test_the_variable_does_the_same(bench, package, monkeypatch):
    monkeypatch.setenv(debug.VARIABLE, "1")
    assert "thb_not_installed" in bench("run", "--protocol", "own-sameid", "--models", "nowhere")[1].split("error:")[0]
    monkeypatch.setenv(debug.VARIABLE, "perhaps")
    assert bench("list", "protocols")[0] == 2


def test_an_error_within_a_plugin_names_its_package(bench, package, tmp_path):
    asked = ("run", "--protocol", "mine", "--models", "copy-source", "--data", f"broken={tmp_path}")
    code, text = bench(*asked)
    assert code == 2 and "thb-debug 1.0 failed: ZeroDivisionError" in text and "Traceback" not in text
    assert "[str(1 // 0)]" in bench(*asked, debug.OPTION)[1]


def test_a_pair_that_fails_is_traced(bench, package):
    asked = ("run", "--protocol", "vox1-sameid", "--models", "broken", "--metrics", "l1", "--limit", "1", "--no-bounds")
    code, text = bench(*asked, "--data", "sample", "--out", "a")
    assert code == 1 and "ValueError: deaf" in text and "Traceback" not in text
    code, text = bench(*asked, "--data", "sample", "--out", "b", debug.OPTION)
    assert code == 1 and 'raise ValueError("deaf")' in text


def test_an_error_keeps_its_traceback_between_processes():
    class Odd(Exception):
        """Defined where no other process finds it."""

    debug.begin(True)
    assert os.environ[debug.VARIABLE]
    for kind in (ValueError, Odd):
        try:
            raise kind("here")
        except kind as error:
            [note] = pickle.loads(pickle.dumps(portable(error))).__notes__
        assert "test_debug.py" in note and "Traceback" in note
    debug.begin(False)
    assert not hasattr(portable(ValueError("here")), "__notes__")
