"""Convert pydantic's validation errors to one line for the user."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from pydantic import ValidationError

from bench.runtime.errors import UserError


def user_error(error: ValidationError, file: Path | None = None, in_file: Collection[str] | None = None) -> UserError:
    """Return the error for the first invalid setting, with its file.

    file: settings file; in_file: names of the settings in it, all if None.
    """
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    where = f"{file}: " if file and (in_file is None or set(first["loc"][:1]) <= set(in_file)) else ""
    reason = "no such setting" if first["type"] == "extra_forbidden" else first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return UserError(f"--{name} is needed, on the command line or in --config", code="missing-option")
    return UserError(f"{where}{name}: {reason}" if name else f"{where}{reason}", code="bad-settings-file")
