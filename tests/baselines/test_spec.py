"""Text that names a model: read, written, and what is wrong with it."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselines.errors import ModelError
from baselines.spec import ModelSpec, split_names

TEXT = st.text(min_size=1, max_size=20)
LABELS = st.text(string.ascii_letters + string.digits + "é+-_", min_size=1).filter(lambda text: text.strip("+-_"))
NAMES = st.text(string.ascii_lowercase + string.digits + "+-_.:/ ", min_size=1).filter(
    lambda text: not text.startswith(("frames:", "cmd:")) and ".py:" not in text
)
FILES = st.builds("/{}.py:{}".format, TEXT.filter(lambda text: "?" not in text), st.sampled_from(("Mine", "_x2", "Ü")))
OPTIONS = st.dictionaries(
    st.from_regex(r"[a-z_][a-z0-9_]*", fullmatch=True), st.text(max_size=12).filter(lambda text: "&" not in text)
)
SPECS = st.one_of(
    st.builds(ModelSpec, st.just("model"), NAMES, OPTIONS, st.none() | LABELS),
    st.builds(ModelSpec, st.just("file"), FILES, OPTIONS, st.none() | LABELS),
    st.builds(
        lambda kind, target, label: ModelSpec(kind, target, label=label),
        *(st.sampled_from(("frames", "cmd")), TEXT.filter(str.strip), st.none() | LABELS),
    ),
)


@given(SPECS)
def test_what_is_written_is_read_back(spec):
    assert ModelSpec.parse(str(spec)) == spec
    assert str(ModelSpec.parse(str(spec))) == str(spec)
    assert ModelSpec.parse(spec.unlabeled) == ModelSpec(spec.kind, spec.target, spec.options)
    assert spec.name == (spec.label or spec.unlabeled)


@given(st.text(st.sampled_from("ab=?&:+/.py framescmd"), max_size=16) | TEXT)
def test_any_text_is_read_whole_or_refused(text):
    spec, said = None, ""
    try:
        spec = ModelSpec.parse(text)
    except ModelError as error:
        said = str(error)
    if spec is None:
        assert said
    else:
        assert str(spec) == text or (text.endswith("?") and str(spec) == text[:-1])


@given(st.lists(SPECS.map(str).filter(lambda text: "," not in text and "cmd:" not in text and text == text.strip())))
def test_lists_are_split_at_commas_but_for_those_of_a_command(specs):
    assert split_names(" , ".join(specs)) == specs
    command = "mine=cmd:tool a,b, c"
    assert split_names(",".join([*specs, command])) == [*specs, command]


@pytest.mark.parametrize(
    ("text", "kind", "target", "options", "label"),
    [
        ("fomm", "model", "fomm", {}, None),
        ("fomm?", "model", "fomm", {}, None),
        ("fv2v?yaw=20&weights=/a=b?c", "model", "fv2v", {"yaw": "20", "weights": "/a=b?c"}, None),
        ("a+b_1-é=fomm+scale", "model", "fomm+scale", {}, "a+b_1-é"),
        ("cmd:A=1 tool?x=1", "cmd", "A=1 tool?x=1", {}, None),
        ("ours=frames:/x=y/z", "frames", "/x=y/z", {}, "ours"),
        ("dir/my.py:Model?a=b", "file", "dir/my.py:Model", {"a": "b"}, None),
        ("dir/a=b.py:Model", "file", "dir/a=b.py:Model", {}, None),
        ("frame:x", "model", "frame:x", {}, None),
    ],
)
def test_parts(text, kind, target, options, label):
    assert ModelSpec.parse(text) == ModelSpec(kind, target, options, label)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "name"),
        ("?a=b", "name"),
        ("fomm=", "label fomm"),
        ("a.b=fomm", "'a.b'"),
        ("--=fomm", "'--'"),
        ("a=b=fomm", "'b'"),
        ("fomm?yaw", "'yaw'"),
        ("fomm?=20", "'=20'"),
        ("fomm?a-b=20", "'a-b'"),
        ("fomm?a=1&a=2", "option a "),
        ("fomm?a=1&&b=2", "empty"),
        ("x=frames: ", "frames:"),
        ("cmd:", "cmd:"),
    ],
)
def test_errors_name_the_part_that_is_wrong(text, part):
    with pytest.raises(ModelError) as caught:
        ModelSpec.parse(text)
    assert caught.value.code == "bad-model-spec"
    assert part in str(caught.value) and "\n" not in str(caught.value)


def test_parts_that_would_read_as_something_else_are_refused():
    for parts in (
        ("model", "frames:x"),
        ("model", "a?b"),
        ("model", "x.py:Mine"),
        ("file", "x.py"),
        ("file", "a=x.py:Mine"),
        ("frames", "x", {"a": "b"}),
        ("model", "x", {"a": "b&c"}),
        ("model", "x", {"a b": "c"}),
        ("model", "x", {}, "a b"),
        ("model", "x", {}, ""),
    ):
        with pytest.raises(ModelError):
            ModelSpec(*parts)


def test_more_options():
    spec = ModelSpec.parse("mine=fomm?yaw=20")
    assert str(spec.with_options({"plain": "true"})) == "mine=fomm?yaw=20&plain=true"
    assert str(spec) == "mine=fomm?yaw=20"
    for text, options in {"fomm?yaw=20": {"yaw": "30"}, "frames:x": {"plain": "true"}}.items():
        with pytest.raises(ModelError):
            ModelSpec.parse(text).with_options(options)
