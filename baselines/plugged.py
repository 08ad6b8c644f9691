"""Custom models as Python classes: registered by installed packages, or in a file."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.machinery import PathFinder
from pathlib import Path
from types import ModuleType

import torch

from baselines.code import Code, beside, of_file, of_registered
from baselines.predictor import ModelError, Predictor
from baselines.spec import ModelSpec
from protocols.errors import BenchError, PluginError, typed_line
from protocols.plugins import FAILURES, FILE_MODULE, Plugin
from protocols.protocol import MODES

BROKEN = PluginError.code


def from_package(plugin: Plugin, spec: ModelSpec, weights: Path | None, device: torch.device) -> Predictor:
    """Return the predictor that a package registers. Raises PluginError if it cannot be loaded."""
    return _made(plugin.load(), plugin.refused, spec, weights, device)


def from_file(spec: ModelSpec, weights: Path | None, device: torch.device) -> Predictor:
    """Return the predictor of ``path/to/file.py:Class``; each call reads the file again.

    The file can import modules beside it by their names, as if Python ran it. Raises ModelError if it cannot be loaded.
    """
    file, name = _parts(spec)
    if not file.is_file():
        raise ModelError(f"{file}: no such file", code="missing-file")

    def refused(why: str) -> ModelError:
        return ModelError(f"{file}: {why}", code=BROKEN)

    if clash := _clash(file):
        raise refused(clash)
    try:
        module = _imported(file)
    except BenchError:
        raise
    except FAILURES as error:  # foreign code may fail in any way
        raise refused(_shadowed(file) or typed_line(error)) from error
    if clash := _shadowed(file):
        raise refused(clash)
    if not hasattr(module, name):
        raise refused(f"no {name} in it{_there(module)}")
    return _made(getattr(module, name), refused, spec, weights, device)


def code(spec: ModelSpec, plugin: Plugin | None, predictor: Predictor) -> Code:
    """Return the code of a predictor of `from_package` or, if `plugin` is None, of `from_file`."""
    module = type(predictor).__module__
    if plugin:
        return of_registered(plugin, (module,), spec.options)
    return of_file(_parts(spec)[0], (module,), spec.options)


def _made(
    factory: Callable[..., Predictor],
    refused: Callable[[str], BenchError],
    spec: ModelSpec,
    weights: Path | None,
    device: torch.device,
) -> Predictor:
    if own := {"device", "weights"} & spec.options.keys():
        raise ModelError(
            f"{spec}: {min(own)} is set by --{min(own)}; rename the model's option",
            code="unknown-option",
        )
    try:
        predictor = factory(device=device, weights=weights, **spec.options)
    except BenchError:
        raise
    except FAILURES as error:  # foreign code may fail in any way
        raise refused(typed_line(error)) from error
    if not isinstance(predictor, Predictor):
        raise refused(f"it returned a {type(predictor).__name__}, not a Predictor (baselines.predictor)")
    modes = predictor.motion_modes
    if not isinstance(modes, (tuple, list)) or not modes or not all(mode in MODES for mode in modes):
        raise refused(f"motion_modes {modes!r}: some of {', '.join(MODES)} are needed")
    for name in ("frame_size", "output_size"):
        side = getattr(predictor, name)
        if side is not None and (type(side) is not int or side < 1):
            raise refused(f"{name} {side!r}: a number of pixels is needed, or None")
    if not isinstance(getattr(predictor, "name", None), str):
        predictor.name = spec.target
    return predictor


def _parts(spec: ModelSpec) -> tuple[Path, str]:
    file, _, name = spec.target.rpartition(":")
    return Path(file).expanduser(), name


def _there(module: ModuleType) -> str:
    """Return the names of the predictors that a file defines, for a message."""
    own = [name for name, found in vars(module).items() if getattr(found, "__module__", None) == module.__name__]
    classes = [
        name for name in own if isinstance(vars(module)[name], type) and issubclass(vars(module)[name], Predictor)
    ]
    return f"; its predictors: {', '.join(classes)}" if classes else "; it defines no Predictor (baselines.predictor)"


def _module_name(file: Path) -> str:
    """Return a unique module name for each file; tracebacks are recognized by it, too."""
    digest = hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:8]
    stem = re.sub(r"\W", "_", file.stem)
    return f"{FILE_MODULE}{stem}_{digest}"


def _imported(file: Path) -> ModuleType:
    name = _module_name(file)
    about = importlib.util.spec_from_file_location(name, file.resolve())
    assert about is not None and about.loader is not None  # both exist for a name that ends with .py
    module = importlib.util.module_from_spec(about)
    sys.modules[name] = module  # classes of the file, such as dataclasses, look themselves up there
    with _beside(file):
        about.loader.exec_module(module)
    return module


def _own_modules(file: Path) -> dict[str, Path]:
    """Return by name the modules and packages beside a file that it imports, directly or not, within functions too."""
    folder = file.resolve().parent
    tops = {folder / one.relative_to(folder).parts[0] for one in beside(file) if one.is_relative_to(folder)}
    return {top.stem if top.suffix == ".py" else top.name: top for top in tops}


def _clash(file: Path) -> str | None:
    """Return why a file cannot be loaded together with earlier ones: Python has one module per name. Else None."""
    own = _own_modules(file)
    for name, module in list(sys.modules.items()):
        other = Path(getattr(module, "__file__", None) or "") if name.startswith(FILE_MODULE) else None
        if other is None or other.parent == file.resolve().parent or not other.is_file():
            continue
        if both := own.keys() & _own_modules(other).keys():
            return (
                f"it imports {min(both)} from its folder, and {other} has another in its own; a process has one module "
                "of a name: evaluate them in separate runs (bench compare), or rename one"
            )
    return None


def _shadowed(file: Path) -> str | None:
    """Return why an imported file gets another module than the one beside it; else None."""
    for name, own in sorted(_own_modules(file).items()):
        if name in sys.modules:
            about = getattr(sys.modules[name], "__spec__", None)
        else:  # an import within a function, with the folder at the end of the path
            about = PathFinder.find_spec(name, sys.path)
        place = getattr(about, "origin", None)
        if place is not None and not Path(place).resolve().is_relative_to(own.resolve()):
            return f"import {name} gives {place} here, not {own}; rename it"
    return None


@contextmanager
def _beside(file: Path) -> Iterator[None]:
    """Put the file's folder first on the path during its import, and last afterwards, for imports in functions."""
    folder = str(file.resolve().parent)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)
