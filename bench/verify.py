"""``bench verify``: are the networks numerically equal to the official ones?"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from baselines.golden import Case
from baselines.golden_weights import fill_spec
from bench import golden
from bench.errors import UserError

# Model, as `spec.json` names it, to the module with its `build` and `compute` (see baselines/golden.py).
ADAPTERS = {
    "fomm": "baselines.fomm.golden",
    "mcnet": "baselines.mcnet.golden",
    "tpsm": "baselines.tpsm.golden",
}


def run(folders: Sequence[Path], console: Console) -> int:
    """Compare each golden folder with this project's network, print every array; 0 if all agree, else 1."""
    cases = [(Path(folder), golden.read(Path(folder))) for folder in folders]
    for folder, case in cases:
        _adapter(folder, case)
    results = [_report(folder, verify(folder, case), console) for folder, case in cases]
    return 0 if all(results) else 1


def verify(folder: Path, case: Case) -> golden.Comparer:
    """Build the network of the folder's spec, fill it, compute every mode, compare."""
    adapter = _adapter(folder, case)
    comparer = golden.Comparer(case)
    try:
        filled = fill_spec(case.spec)
        with torch.device("meta"):
            net = adapter.build(case.spec)
        net.load_state_dict({f"{n}.{k}": v for n, state in filled.items() for k, v in state.items()}, assign=True)
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        reason = str(error).strip().splitlines()[:2]
        raise UserError(f"{folder}/spec.json: is not of our {case.spec['model']}: {' '.join(reason)}") from None
    for network, state in filled.items():
        comparer.weights(network, state)
    with torch.inference_mode():
        adapter.compute(net.eval(), case, comparer)
    if not comparer.results:
        raise UserError(f"{folder}/golden.npz: holds none of the arrays of {case.spec['model']}")
    return comparer


def _adapter(folder: Path, case: Case):
    model = case.spec["model"]
    if model not in ADAPTERS:
        raise UserError(f"{folder}/spec.json: unknown model {model!r}; known are {', '.join(sorted(ADAPTERS))}")
    return importlib.import_module(ADAPTERS[model])


def _report(folder: Path, comparer: golden.Comparer, console: Console) -> bool:
    table = Table(title=str(folder), title_justify="left", box=None)
    for column in ("array", "max abs error", "mean error", "tolerance", "worst", ""):
        table.add_column(column, justify="left" if column in ("array", "") else "right", no_wrap=True)
    for result in sorted(comparer.results, key=lambda result: -result.ratio):
        verdict = "ok" if result.ok else f"[bold red]DIFFERS[/] {result.note}"
        numbers = (f"{x:.1e}" for x in (result.worst, result.mean, result.tolerance))
        table.add_row(result.name, *numbers, f"{result.ratio:.3f}", verdict)
    console.print(table)
    parted = next((result for result in comparer.results if not result.ok), None)
    left = comparer.left()
    if parted:
        different = sum(not result.ok for result in comparer.results)
        console.print(
            f"{folder}: differs in {different} of {len(comparer.results)} arrays; "
            f"first array that parts in the order of computation: {parted.name}",
            soft_wrap=True,
        )
    if left:
        console.print(f"{folder}: not computed, so not compared: {', '.join(left)}", soft_wrap=True)
    if not parted and not left:
        console.print(f"{folder}: agrees in all {len(comparer.results)} arrays", soft_wrap=True)
    if comparer.training():
        console.print(f"{folder}: {comparer.training()} arrays of training losses are no part of inference")
    return not parted and not left
