"""What a run of the papers' tables was asked, read from its command again."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import manifests

from baselines.card import card
from bench.cli.again import settings_of
from bench.runtime.errors import UserError


def settings(command: list[str], protocol: str, labels: list[str]):
    manifest = manifests.complete([], [], command=["python", "-m", "bench", "run", *command])
    manifest = manifest.but(protocol=manifest.protocol.but(name=protocol), sample_data=True)
    return settings_of(manifest, labels, (), None, "cpu")


def test_labels_of_a_table_are_the_models_of_its_plan(tmp_path: Path, cache, monkeypatch) -> None:
    monkeypatch.setenv("TALKING_HEAD_BENCH_SAMPLES", str(tmp_path))
    other = tmp_path / "mcnet.seed3.safetensors"
    other.touch()
    found = settings(
        ["--table", "mcnet-2", "--limit", "2", "--data", "sample"], "vox1-sameid", ["mcnet", "mcnet-seed3"]
    )
    assert found.models == ["mcnet", f"mcnet-seed3=mcnet?weights={other}"]
    assert (found.protocol, found.limit, found.pairs) == ("vox1-sameid", 2, None)
    with monkeypatch.context() as no_samples:
        no_samples.setattr(type(card("mcnet")), "sample", property(lambda self: tmp_path / "none"))
        found = settings(["--paper", "mcnet", "--untrained"], "vox1-sameid", ["tpsm+memory"])
    assert found.models == ["tpsm+memory=tpsm+memory?weights=untrained"]
    found = settings(["--table", "mcnet-2", "--models", "me=frames:DIR"], "vox1-sameid", ["me", "copy-source"])
    assert found.models == ["me=frames:DIR", "copy-source"]


def test_a_protocol_that_no_table_of_the_command_asks_is_refused(cache) -> None:
    with pytest.raises(UserError) as error:
        settings(["--table", "mcnet-2"], "hdtf-sameid", ["mcnet"])
    assert error.value.code == "other-run" and "hdtf-sameid" in str(error.value)
