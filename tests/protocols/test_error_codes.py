"""Every error for the user has a code, and every code is documented."""

from __future__ import annotations

import ast
import pickle
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from baselines.errors import ModelError
from bench.runtime.errors import Stopped, UserError
from protocols.errors import BenchError, DataError, MissingFile, PluginError
from reports.paper.printed import TableError

ROOT = Path(__file__).parents[2]
PACKAGES = ("protocols", "baselines", "bench", "reports")
KINDS = (DataError, MissingFile, PluginError, ModelError, UserError, Stopped, TableError)
OWN = {"MissingFile", "ProgramError", "TransferError"}  # whose class says enough


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Every making of an error for the user in the source, and where."""
    names = {kind.__name__ for kind in KINDS} | OWN
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                    yield f"{file.relative_to(ROOT)}:{node.lineno}", node


def test_every_user_error_names_its_kind():
    plain = {"DataError", "ModelError", "UserError", "Stopped"}
    lacking = [
        where for where, call in calls() if call.func.id in plain and "code" not in {k.arg for k in call.keywords}
    ]
    assert not lacking


def test_the_page_lists_the_codes_that_are_used_and_no_others():
    page = (ROOT / "docs" / "errors.md").read_text("utf-8")
    listed = re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE)
    assert listed == sorted(set(listed))
    source = "\n".join(file.read_text("utf-8") for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    used = set(re.findall(r"\bcode(?:: str)? ?= ?\"([a-z]+(?:-[a-z]+)*)\"", source))
    used |= set(re.findall(r"getattr\(error, \"code\", \"([a-z-]+)\"\)", source))
    assert used == set(listed)


@pytest.mark.parametrize("kind", KINDS)
def test_codes_travel_with_their_errors(kind: type[BenchError]):
    assert pickle.loads(pickle.dumps(kind("x"))).code == kind.code
    again = pickle.loads(pickle.dumps(kind("x", code="a-b")))
    assert (type(again), str(again), again.code) == (kind, "x", "a-b")
