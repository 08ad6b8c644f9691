"""Compare a run with earlier ones: why a folder contains another run, and which code was edited since."""

from __future__ import annotations

from pathlib import Path

from bench.run.manifest import essence
from bench.run.outside import CODE, changed_files
from protocols import files
from reports.schema.base import Damaged
from reports.schema.manifest import Prepared, parse_manifest

PARTS = {
    "protocol": "the protocol",
    "pairs": "the pair list",
    "data": "the files of the frames",
    "metrics": "the metrics or their definitions",
    "seeds": "--seed",
    "crop": "the crop",
    "anchors": "the frames that relative motion starts from (--anchor)",
}


def differences(before: Prepared, now: Prepared) -> list[str]:
    """Return, in words, what makes two manifests different runs."""
    old, new = (essence(manifest) for manifest in (before, now))
    changed = [part for part in {**old, **new} if old.get(part) != new.get(part)]
    found = [PARTS.get(part, part) for part in changed if part not in ("models", "plugins")]
    ours, theirs = ({model.name: model.content() for model in manifest.models} for manifest in (now, before))
    if ours.keys() != theirs.keys():
        found.append(f"the models ({', '.join(theirs)})")
    for name in (name for name in ours if name in theirs):
        keys = [key for key in {**theirs[name], **ours[name]} if theirs[name].get(key) != ours[name].get(key)]
        for key in keys:
            found.append(_code_of(name, before, now) if key == "code_sha256" else f"{key} of {name}")
    for name in {**before.plugins, **now.plugins}:
        if before.plugins.get(name) != now.plugins.get(name):
            found.append(_code_of(name, before, now))
    return found


def since(out: Path, plan: Prepared) -> str | None:
    """Return a notice if the same was run before with different code, into another folder; else None."""
    found: list[tuple[str, str, list[str]]] = []
    for file in out.glob(f"{plan.protocol.name}-*/manifest.json"):
        try:
            before = parse_manifest(files.content(file))
        except (OSError, Damaged):
            continue  # not a run of this version
        what = differences(before, plan)
        if what and all(line.startswith(CODE) for line in what):
            found.append((before.created, str(file.parent), what))
    if not found:
        return None
    _, folder, what = max(found)
    return f"{'; '.join(what)} changed since {folder}: measured again"


def _code_of(name: str, before: Prepared, now: Prepared) -> str:
    old, new = (manifest.code[name].files if name in manifest.code else {} for manifest in (before, now))
    return f"{CODE}{name} ({changed_files(old, new) if old else 'not recorded then'})"
