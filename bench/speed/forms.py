"""Speed and effect on the metrics of network forms that change the numbers: bfloat16 and compiled code.

`python -m bench speed --parts forms` compares each with the same network in float32 without compilation, on the same
batches: the speed, and every metric of the frames. Do not use a form that moves a metric's mean out of the metric's 95
% confidence interval. This depends on network, weights and machine, so all forms are off by default.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd
import torch

from baselines import registry
from baselines.card import MODELS
from baselines.predictor import ModelError, Predictor
from baselines.spec import ModelSpec
from bench import detectors, metrics
from bench.run.batches import Evaluator
from bench.run.engine import Decoded, Model, pair_batch
from bench.run.measure import Measurer
from bench.runtime.config import Config
from bench.runtime.device import pairs_at_a_time
from bench.stats import summary as statistics
from protocols.catalogue import Protocol
from protocols.pairs import Pair
from protocols.resolve import LoadedPair

EXACT = {"plain": "true"}
BFLOAT16, COMPILED = {"precision": "bfloat16"}, {"compile": "inductor"}
FORMS = (BFLOAT16, COMPILED, BFLOAT16 | COMPILED)
HARMLESS = "within all intervals"
Loaded = Sequence[tuple[Pair, LoadedPair]]


@dataclass(frozen=True)
class Change:
    """A metric's mean in float32 with its 95 % interval, and the change by a form.

    lost: number of pairs with a value in float32 but none in this form.
    """

    metric: str
    mean: float
    low: float
    high: float
    change: float
    lost: int

    @property
    def beyond(self) -> bool:
        """Return whether the form moves the metric out of its interval, or loses a pair."""
        return self.lost > 0 or not self.low <= self.mean + self.change <= self.high


@dataclass(frozen=True)
class Form:
    """A form of a network. error: why it makes no frames here; then `changes` is empty."""

    spec: ModelSpec
    changes: Sequence[Change] = ()
    error: str | None = None

    @property
    def beyond(self) -> list[Change]:
        return [change for change in self.changes if change.beyond]

    @property
    def verdict(self) -> str:
        if self.error:
            return f"makes no frames here: {self.error}"
        if not self.beyond:
            return HARMLESS
        return "do not use: changes " + ", ".join(change.metric for change in self.beyond)


def forms(name: str, config: Config, protocol: Protocol, loaded: Loaded, device: torch.device) -> list[Form]:
    """Measure every form of the network `name` on the pairs, with the detectors and metrics of a run.

    Empty for a model without a network in this package, and for a spec that sets a form itself.
    """
    plain = ModelSpec.parse(name)
    own = any(plain.options.keys() & form.keys() for form in FORMS)
    if plain.kind != "model" or plain.target not in MODELS or own:
        return []
    kinds = metrics.kinds(protocol.metrics)
    choice = detectors.choose("auto", config.weights, kinds=kinds, device=str(device), cache=config.cache)
    measurer = Measurer(protocol.metrics, choice, protocol.reference, device)
    reference = _rows(_load(plain.with_options(EXACT), config, device), "float32", loaded, measurer, device)
    found = []
    for form in FORMS:
        spec = plain.with_options(form)
        try:
            rows = _rows(_load(spec, config, device), str(spec), loaded, measurer, device)
        except ModelError as error:
            found.append(Form(spec, error=str(error)))
            continue
        if (rows["status"] == "failed").all():
            found.append(Form(spec, error=str(rows["error"].iloc[0])))
        else:
            found.append(Form(spec, changes(reference, rows, measurer)))
    return found


def changes(reference: pd.DataFrame, rows: pd.DataFrame, measurer: Measurer) -> list[Change]:
    """Return the change of each metric between two tables like ``samples.parquet``, of the same pairs.

    Means are over the pairs with a finite value in both.
    """
    summary = statistics.summarize(reference, measurer.describe_metrics(), seed=0, bounds=())
    before, after = reference.set_index("pair"), rows.set_index("pair")
    found = []
    for row in summary.rows:
        one, other = before[row.metric], after[row.metric]
        moved = (other - one)[(other - one).abs() < float("inf")]
        lost = int((one.notna() & other.isna()).sum())
        if row.mean is not None and row.ci_low is not None and row.ci_high is not None:
            mean = float(moved.mean()) if len(moved) else 0.0
            found.append(Change(row.metric, row.mean, row.ci_low, row.ci_high, mean, lost))
    return found


def jobs(
    name: str, found: Sequence[Form], config: Config, loaded: Loaded, device: torch.device
) -> dict[str, dict[str, Callable[[], object]]]:
    """Return each form that makes frames, timed next to float32."""
    working = [form for form in found if form.error is None]
    if not working:
        return {}
    size = pairs_at_a_time(device)
    batches = [
        pair_batch(Decoded.of(loaded[start : start + size], device), device, 0) for start in range(0, len(loaded), size)
    ]

    def work(spec: ModelSpec) -> Callable[[], object]:
        model = _load(spec, config, device)

        def ask() -> object:
            model.forget()
            return [model.predict(batch, model.motion_modes[0]).cpu() for batch in batches]  # waits for an accelerator

        return ask

    exact = work(ModelSpec.parse(name).with_options(EXACT))
    return {
        f"form {form.spec}": {"this form": work(form.spec), "float32, eager, the same batches": exact}
        for form in working
    }


def page(found: Sequence[Form]) -> list[str]:
    """Return Markdown: the change of each metric's mean by each form, also as a share of half its interval."""
    if not found:
        return []
    names = list(dict.fromkeys(change.metric for form in found for change in form.changes))
    lines = [
        "",
        "Change of each metric's mean from float32, and in brackets as a share of half the width of its 95 % interval. "
        "Do not use a form that leaves an interval or loses a pair.",
        "",
        f"| form | verdict | {' | '.join(names)} |",
        f"| --- | --- |{' ---: |' * len(names)}",
    ]
    for form in found:
        by_name = {change.metric: change for change in form.changes}
        lines.append(f"| {form.spec} | {form.verdict} | {' | '.join(_cell(by_name.get(name)) for name in names)} |")
    return lines


def _cell(change: Change | None) -> str:
    if change is None:
        return ""
    half = (change.high - change.low) / 2
    share = f"{abs(change.change) / half:.2%}" if half else "no width"
    lost = f", {change.lost} lost" if change.lost else ""
    return f"{change.change:+.2g} ({share}{lost})"


def _load(spec: ModelSpec, config: Config, device: torch.device) -> Predictor:
    return registry.load(spec, weights=config.weights, device=device)


def _rows(predictor: Predictor, label: str, loaded: Loaded, measurer: Measurer, device: torch.device) -> pd.DataFrame:
    frames, size = {pair.id: images for pair, images in loaded}, pairs_at_a_time(device)
    pairs = [pair for pair, _ in loaded]
    batches = [pairs[start : start + size] for start in range(0, len(pairs), size)]
    evaluator = Evaluator(lambda pair: frames[pair.id], measurer, device)
    model = Model(label, predictor, predictor.motion_modes[0])
    return pd.concat([rows for rows, *_ in evaluator(model, batches)], ignore_index=True)
