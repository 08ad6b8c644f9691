"""The stream of the metrics, with torch's streams replaced by ones that note what happens: there is no GPU."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pandas as pd
import pytest
import torch

from bench.run.batches import Evaluator
from bench.run.engine import Decoded
from bench.runtime.device_stream import OwnStream

CUDA = torch.device("cuda:0")


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    events: list[str] = []

    @contextmanager
    def stream(one: object):
        events.append(f"begin {one}")
        yield
        events.append(f"end {one}")

    def made(device: torch.device) -> str:
        events.append(f"make {device}")
        return "s"

    monkeypatch.setattr(torch.cuda, "Stream", made)
    monkeypatch.setattr(torch.cuda, "stream", stream)
    return events


def test_one_stream_for_all_blocks(noted: list[str]) -> None:
    own = OwnStream(CUDA)
    for number in range(2):
        with own():
            noted.append(f"work {number}")
    first, *rest = noted
    assert first == "make cuda:0"
    assert rest == ["begin s", "work 0", "end s", "begin s", "work 1", "end s"]


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_nothing_elsewhere(device: str, noted: list[str]) -> None:
    with OwnStream(torch.device(device))():
        pass
    assert noted == []


class Measured:
    """In place of the metrics: everything comes from the host and is a table there when it returns."""

    frame_features = None  # no set metrics

    def __init__(self, noted: list[str]) -> None:
        self.noted = noted

    def measure_and_detect(
        self, images: dict[str, np.ndarray], also: dict[str, tuple[str, ...]]
    ) -> tuple[pd.DataFrame, dict]:
        assert also == {} and all(isinstance(x, np.ndarray) for x in images.values())
        self.noted.append("measure")
        return pd.DataFrame({"l1": np.zeros(len(images["generated"]))}), {}


def test_metrics_are_measured_in_it(noted: list[str]) -> None:
    class Named:
        id = "a"

    evaluator = Evaluator(None, Measured(noted), CUDA)
    images = {role: torch.zeros(1, 4, 4, 3, dtype=torch.uint8) for role in ("source", "target", "generated")}
    assert len(evaluator._measure(Decoded((Named(),), images))) == 1
    assert noted == ["make cuda:0", "begin s", "measure", "end s"]
