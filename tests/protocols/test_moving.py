"""Moving WebP pictures: what cannot be read is one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.refused import refused

from protocols import files
from protocols.errors import DataError
from protocols.moving import MovingPicture


def test_a_file_that_is_too_large_to_read_at_once_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a.webp"
    file.write_bytes(bytes(2048))
    monkeypatch.setattr(files.content, "__defaults__", (1024,))
    with refused(DataError, "unreadable-file", file):
        MovingPicture(file)
