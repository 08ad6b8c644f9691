"""Re-identification by a detector that a package registers."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from bench.detectors import body_identity
from bench.detectors.base import Detection, Detector
from bench.runtime.errors import UserError


class Colors(Detector):
    """Mean color: an embedding of three numbers."""

    kind, name, proxy, shape, signature = "body-identity", "colors", False, (3,), "colors;v:1"

    def __init__(self, device: str, weights: object) -> None:
        self.given = device, weights

    def detect(self, frames: np.ndarray) -> list[Detection]:
        return [Detection(frame.mean((0, 1)) / 255) for frame in frames]


def entry(target: object) -> SimpleNamespace:
    return SimpleNamespace(name=body_identity.KIND, value="mine:Colors", load=lambda: target)


def registered(monkeypatch: pytest.MonkeyPatch, *entries: SimpleNamespace) -> None:
    def entry_points(*, group: str, name: str) -> list[SimpleNamespace]:
        return list(entries) if (group, name) == (body_identity.GROUP, "body-identity") else []

    monkeypatch.setattr(body_identity, "entry_points", entry_points)


def test_it_runs_under_a_name_and_a_signature_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    registered(monkeypatch, entry(Colors))
    assert body_identity.missing() == []
    made = body_identity.make(None, "cpu")
    assert (made.kind, made.name, made.proxy, made.shape) == ("body-identity", "re-identification", False, (3,))
    assert made.signature == "re-identification;of:colors;v:1" and made.detector.given == ("cpu", None)
    [found] = made.detect(np.full((1, 4, 4, 3), 51, np.uint8))
    np.testing.assert_allclose(found.values, 0.2)


def test_what_cannot_be_used_is_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    registered(monkeypatch)
    assert "no installed package" in body_identity.missing()[0]
    with pytest.raises(UserError, match="no installed package"):
        body_identity.make(None)
    registered(monkeypatch, entry(Colors), entry(Colors))
    assert "several packages" in body_identity.missing()[0]

    def broken(**_: object) -> Detector:
        raise OSError("no such file\nand more")

    for target, said in ((broken, "failed: OSError: no such file$"), (lambda **_: 3, "gave no detector of the kind")):
        registered(monkeypatch, entry(target))
        with pytest.raises(UserError, match=said):
            body_identity.make(None)
