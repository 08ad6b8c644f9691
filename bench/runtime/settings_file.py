"""Read a settings file, TOML or YAML, as a mapping."""

from __future__ import annotations

import tomllib
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from bench.runtime.errors import UserError
from protocols import files

LARGEST = 1 << 20  # bytes; PyYAML needs a minute for several times as many


def read(file: Path) -> dict[str, Any]:
    """Return names and unchecked values, from YAML (.yaml, .yml) or else TOML.

    YAML that creates objects, repeats a name or merges mappings (``<<``) is refused; aliases refer to one value.
    Raises UserError if the file cannot be read.
    """
    kind = "YAML" if file.suffix.lower() in (".yaml", ".yml") else "TOML"
    try:
        text = files.text(file, largest=LARGEST)
        found = tomllib.loads(text) if kind == "TOML" else yaml.load(text, _Loader)
    except Exception as error:  # both also raise Python's errors for bad numbers or dates
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"--config {file}: cannot be read as {kind}: {reason[:500]}", code="bad-settings-file"
        ) from None
    if found is None:  # an empty file
        return {}
    if not isinstance(found, dict) or not all(isinstance(name, str) for name in found):
        raise UserError(f"--config {file}: must be a mapping of names to values", code="bad-settings-file")
    return found


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, stricter with mappings."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        # Merged mappings are copied: a short file with nested merges would fill the memory.
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge":
                raise yaml.constructor.ConstructorError(None, None, "merge keys (<<) are not supported", key.start_mark)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        made = super().construct_mapping(node, deep=True)
        if len(made) < len(node.value):
            raise yaml.constructor.ConstructorError(None, None, "a name is given twice", node.start_mark)
        return made
