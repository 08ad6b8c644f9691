"""The models of a run's JSON files: what is read is written again, what is wrong is named, what is published holds."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from support import fake_run, manifests

from bench.comparison.compare import compare
from bench.run.manifest import fingerprint
from bench.rundir.seal import intact, sealed
from reports.schema.base import Damaged
from reports.schema.manifest import Begun, Complete, Placement, Prepared, Unfinished, parse_manifest
from reports.schema.summary import parse_summary

ROOT = Path(__file__).parents[2]
EARLIER = sorted((Path(__file__).parent / "earlier").glob("*.json"))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return fake_run.make(tmp_path_factory.mktemp("runs") / "plain", pairs=12, metrics=("l1", "psnr"))


@pytest.fixture(scope="module")
def tool():
    """``tools/schema.py``, which is in no package."""
    spec = importlib.util.spec_from_file_location("schema_tool", ROOT / "tools" / "schema.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_published_schemas_are_those_of_the_models(tool):
    published = {file.stem: file.read_text(encoding="utf-8") for file in (ROOT / "docs" / "schema").glob("*.json")}
    assert published == {name: tool.text(name) for name in tool.MODELS}


def test_what_is_written_keeps_to_the_published_schemas(run, tool):
    jsonschema = pytest.importorskip("jsonschema")
    comparison = json.dumps(compare(run, n_resamples=100).content())
    files = {name: (run / f"{name}.json").read_text() for name in ("manifest", "summary")} | {"comparison": comparison}
    for name, text in files.items():
        validator = jsonschema.Draft202012Validator(json.loads(tool.text(name)))
        assert list(validator.iter_errors(json.loads(text))) == [], name
        broken = json.loads(text) | {"schema": 2}
        assert [list(error.path) for error in validator.iter_errors(broken)], name


@pytest.mark.parametrize("file", EARLIER, ids=lambda file: file.stem)
def test_runs_of_earlier_releases_are_read_as_they_are(file):
    """Written before there were models: the same content, the same hashes of what decides the numbers and of all."""
    content = json.loads(file.read_text())
    manifest = parse_manifest(file.read_bytes())
    assert json.loads(json.dumps(manifest.content())) == content
    assert fingerprint(manifest) == content["fingerprint"]
    assert intact(content) and sealed(manifest).sha256 == content["sha256"]


def test_what_is_read_is_written_again(run):
    for name, parse in (("manifest", parse_manifest), ("summary", parse_summary)):
        content = json.loads((run / f"{name}.json").read_text()) | {"of_a_later_release": [1, {"a": None}]}
        read = parse(json.dumps(content).encode())
        assert json.loads(json.dumps(read.content())) == content


def test_a_run_goes_through_its_phases(run):
    facts = manifests.manifest_of(run).content()
    later = {name for name in Begun.model_fields if name not in Prepared.model_fields} | {"state", "timings"}
    prepared = Prepared.model_validate({name: value for name, value in facts.items() if name not in later})
    named = {name: facts[name] for name in ("name", "fingerprint", "command", "created")}
    begun = prepared.noticed("one").then(Begun, **named).noticed("two")
    stopped = begun.then(Unfinished, state="interrupted")  # before it was known where the models are asked
    assert "device" not in stopped.content() and stopped.notices[-2:] == ("one", "two")
    placement = Placement(device="cpu", batch_size=4)
    complete = begun.then(Complete, state="complete", **placement.content())
    assert {**prepared.content(), **named, "device": "cpu", "batch_size": 4, "state": "complete"} == {
        **complete.content(),
        "notices": prepared.notices,
    }
    for phase in (stopped, complete):
        assert type(parse_manifest(json.dumps(phase.content()).encode())) is type(phase)
    with pytest.raises(ValueError, match="state"):
        begun.then(Unfinished, state="complete")
    with pytest.raises(ValueError, match="frozen"):
        complete.state = "running"


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("seeds", "run"), "0"),
        (("seeds", "run"), True),
        (("seeds", "run"), 0.5),
        (("schema",), 2),
        (("protocol", "reference"), "other-identity"),
        (("models", 0, "name"), None),
        (("models", 0, "sample_weights"), "no"),
        (("metrics", 0, "higher_is_better"), 1),
        (("metrics",), {}),
        (("crop",), {"mine": 3}),
        (("timings", "mcnet", "pairs_per_second"), float("nan")),
        (("machine",), None),
    ],
)
def test_a_wrong_value_is_named_by_its_place(run, place, value):
    content = json.loads((run / "manifest.json").read_text())
    *above, key = place
    part = content
    for step in above:
        part = part[step]
    part[key] = value
    with pytest.raises(Damaged) as error:
        parse_manifest(json.dumps(content).encode())
    message = str(error.value)
    assert message.startswith("complete." + ".".join(map(str, place))) and len(message.splitlines()) == 1


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000, b'{"state": "done"}'])
def test_what_is_no_manifest(text):
    with pytest.raises(Damaged):
        parse_manifest(text)
