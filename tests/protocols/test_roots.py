"""Which data a run reads: what is asked, never something else in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.refused import refused

from protocols import catalogue
from protocols.catalogue import SAMPLE
from protocols.errors import DataError
from protocols.roots import data_used, refuse_unused

VOX, OWN = catalogue.get("vox1-sameid"), catalogue.get("own-sameid")
HERE = Path("/here")


def test_the_protocols_own_data_set_or_the_lists():
    assert data_used(VOX, {"vox1": HERE, "hdtf": HERE}) == ("vox1",)
    assert data_used(VOX, {"vox1": HERE, "mine": HERE}, listed=["vox1", "vox1"]) == ("vox1",)
    assert data_used(VOX, {"vox1": HERE}, sample=True) == (SAMPLE,)
    assert data_used(VOX, {"vox1": HERE}, listed=[SAMPLE]) == (SAMPLE,)


@pytest.mark.parametrize("name", [name for name in catalogue.names() if not catalogue.get(name).custom])
def test_the_sample_set_only_where_no_root_is_given_at_all(name: str):
    protocol = catalogue.get(name)
    assert data_used(protocol, {}) == (SAMPLE,)
    with refused(DataError, "missing-data", protocol.dataset, "mine=/here", "--data sample"):
        data_used(protocol, {"mine": HERE})
    with refused(DataError, "missing-data"):
        data_used(protocol, {}, require_data=True)


def test_a_list_never_leads_to_the_sample_set_in_silence():
    for protocol, name in ((VOX, "vox1"), (OWN, "mine"), (OWN, "vox1")):
        for roots in ({}, {"hdtf": HERE}):
            with refused(DataError, "missing-data", name):
                data_used(protocol, roots, listed=[name])
    with refused(DataError, "wrong-data", "vox1"):
        data_used(VOX, {"vox1": HERE}, sample=True, listed=["vox1"])
    with refused(DataError, "conflicting-options", "--require-data"):
        data_used(VOX, {}, require_data=True, listed=[SAMPLE])


def test_a_misspelled_name_is_told():
    with refused(DataError, "missing-data", "vox1"):
        data_used(VOX, {"vox": HERE})
    with refused(DataError, "unused-option", "--data vox", "vox1"):
        refuse_unused(["vox1", "vox"], ["vox1", "hdtf"], "mcnet-1a")


def test_a_root_that_nothing_uses():
    refuse_unused(["vox1"], ["vox1", "hdtf"], "x")
    refuse_unused([], [SAMPLE], "x")
    with refused(DataError, "unused-option", "--data mine", "--data vox1"):
        refuse_unused(["vox1", "mine"], ["vox1"], "x")
    with refused(DataError, "unused-option"):
        refuse_unused(["vox1"], [SAMPLE], "x")


@pytest.mark.parametrize(
    ("protocol", "advice"),
    [("vox1-sameid", "own-sameid"), ("ted-sameid", "own-sameid"), ("celebv-crossid", "own-crossid")]
    + [("vox1-diffscale", "own-diffscale")],
)
def test_a_list_of_other_data_is_refused(protocol: str, advice: str):
    with refused(DataError, "wrong-data", f"--protocol {advice}"):
        data_used(catalogue.get(protocol), {"mine": HERE}, listed=["mine"])


def test_custom_data_are_named_or_the_only_ones():
    roots = {"vox1": HERE, "mine": HERE, "other": HERE}
    assert data_used(OWN, roots, asked=["mine"]) == ("mine",)
    assert data_used(OWN, {"vox1": HERE, "mine": HERE}) == ("mine",)
    assert data_used(OWN, roots, listed=["mine", "vox1", "other"]) == ("mine", "vox1", "other")
    assert data_used(OWN, {}, sample=True) == (SAMPLE,)
    for given, asked, code, value in (
        ({}, (), "missing-data", ""),
        ({"vox1": HERE}, (), "missing-data", "configured: vox1"),
        (roots, (), "several-data-sets", 2),
        (roots, ("mine", "other"), "several-data-sets", 2),
        (roots, ("vox1",), "wrong-data", "vox1"),
    ):
        with refused(DataError, code, value):
            data_used(OWN, given, asked=asked)
