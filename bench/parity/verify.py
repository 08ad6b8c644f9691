"""``bench verify``: check that the networks are numerically equal to the official ones."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import torch
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from torch import nn

from baselines.arithmetic import exact
from baselines.card import MODELS, card
from baselines.parity import Case, Record
from baselines.synthetic_weights import fill_spec
from bench.parity import compare as golden
from bench.runtime.errors import UserError
from protocols import interruption

# Networks of detectors and set metrics, by their name in `spec.json`; the models' modules are in their cards.
DETECTORS = {
    "openface": "bench.parity.openface",
    "syncnet": "bench.parity.syncnet",
    "lipsync_scores": "bench.parity.lipsync_scores",
    "fid_fvd": "bench.parity.fid_fvd",
    "audio_features": "bench.parity.audio_features",
    "liveportrait": "baselines.liveportrait.parity",
}


def adapters() -> dict[str, str]:
    """Return the module with `build` and `compute` of each network in ``spec.json`` (see baselines/parity.py)."""
    modules = {name.replace("-", "_"): card(name).parity for name in MODELS}
    return {name: module for name, module in modules.items() if module} | DETECTORS


def run(folders: Sequence[Path], console: Console) -> int:
    """Compare each golden folder with this project's network, print every array; return 0 if all agree, else 1.

    Files among the folders, as from ``golden/*``, are skipped; without any folder they are an error.
    """
    exact()
    if any(Path(folder).is_dir() for folder in folders):
        for file in filter(Path.is_file, map(Path, folders)):
            console.print(f"{file}: skipped, not a golden folder", soft_wrap=True, markup=False)
        folders = [folder for folder in folders if not Path(folder).is_file()]
    cases = [(Path(folder), golden.read(Path(folder))) for folder in folders]
    for folder, case in cases:
        _adapter(folder, case)
    results = []
    for folder, case in cases:
        interruption.check()
        results.append(_report(folder, verify(folder, case), console))
    return 0 if all(results) else 1


def verify(folder: Path, case: Case) -> golden.Comparer:
    """Build the network of the folder's spec with its weights, compute every mode, compare."""
    comparer = golden.Comparer(case)
    net = build(folder, case, comparer)
    try:
        compute(net, case, comparer)
    except KeyError as error:  # an input of a mode, such as MCNet's noise
        raise UserError(f"{folder}/golden.npz: lacks {error.args[0]}", code="missing-value") from None
    if not comparer.results:
        raise UserError(f"{folder}/golden.npz: has none of the arrays of {case.spec['model']}", code="missing-value")
    return comparer


def build(folder: Path, case: Case, comparer: golden.Comparer) -> nn.Module:
    """Build the network of the folder's spec, with the deterministic weights, in evaluation mode."""
    try:
        filled = fill_spec(case.spec)
        with torch.device("meta"):
            net = _adapter(folder, case).build(case.spec)
        state = {f"{name}.{key}": value for name, entries in filled.items() for key, value in entries.items()}
        net.load_state_dict(state, assign=True)
    except (RuntimeError, KeyError, TypeError, ValueError, AttributeError, re.error) as error:
        reason = " ".join(line.strip() for line in str(error).splitlines()[:2])
        raise UserError(
            f"{folder}/spec.json: does not fit this project's {case.spec['model']}: {reason}", code="other-network"
        ) from None
    for name, entries in filled.items():
        comparer.weights(name, entries)
    return net.eval()


def compute(net: nn.Module, case: Case, record: Record) -> None:
    """Compute every array of the case's modes and pass it to `record`."""
    with torch.inference_mode():
        importlib.import_module(adapters()[case.spec["model"]]).compute(net, case, record)


def _adapter(folder: Path, case: Case) -> ModuleType:
    model = case.spec["model"]
    if str(model) not in adapters():
        raise UserError(
            f"{folder}/spec.json: unknown model {model!r}; known are {', '.join(sorted(adapters()))}",
            code="unknown-model",
        )
    return importlib.import_module(adapters()[model])


def _report(folder: Path, comparer: golden.Comparer, console: Console) -> bool:
    table = Table(title=escape(str(folder)), title_justify="left", box=None)
    for column in ("worst", "max error", "mean error", "tolerance"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    table.add_column("array", overflow="fold")
    for result in sorted(comparer.results, key=lambda result: -result.ratio):
        verdict = "ok" if result.ok else "[bold red]DIFFERS[/]"
        numbers = (f"{x:.1e}" for x in (result.worst, result.mean, result.tolerance))
        name = f"{result.name} ({result.note})" if result.note else result.name
        table.add_row(f"{result.ratio:.3f}", *numbers, verdict, escape(name))
    console.print(table)
    parted = next((result for result in comparer.results if not result.ok), None)
    left = comparer.left()
    if parted:
        different = sum(not result.ok for result in comparer.results)
        console.print(
            f"{folder}: differs in {different} of {len(comparer.results)} arrays; "
            f"first different array in the order of computation: {parted.name}",
            markup=False,
            soft_wrap=True,
        )
    if left:
        console.print(f"{folder}: not computed and not compared: {', '.join(left)}", markup=False, soft_wrap=True)
    if not parted and not left:
        console.print(f"{folder}: agrees in all {len(comparer.results)} arrays", markup=False, soft_wrap=True)
    if comparer.training():
        count = comparer.training()
        console.print(
            f"{folder}: {count} arrays of training losses not compared, since they are not part of inference",
            markup=False,
            soft_wrap=True,
        )
    if count := comparer.information():
        console.print(f"{folder}: {count} arrays for information, not compared", markup=False, soft_wrap=True)
    return not parted and not left
