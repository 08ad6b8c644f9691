"""Only files are read and written, and only those of a size that can be held."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from support.refused import refused

from protocols import files
from protocols.errors import DataError
from protocols.pairs import FrameRef, Pair, PairList
from protocols.published import read_pairs


def pairs() -> PairList:
    frame = FrameRef("mine", "a", "0000000")
    return PairList("x", 1, (Pair("0000", frame, frame, frame, None, "a", "a"),))


def test_a_text_is_read_as_python_reads_it(tmp_path):
    file = tmp_path / "a.txt"
    file.write_bytes("\ufeffä\r\nb\rc\n".encode())
    assert files.text(file, "utf-8-sig") == file.read_text(encoding="utf-8-sig") == "ä\nb\nc\n"


def test_a_pipe_that_nobody_writes_does_not_hang(tmp_path):
    pipe = tmp_path / "list.csv"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match=r"list\.csv") as caught:
        files.content(pipe)
    assert (caught.value.errno, caught.value.filename) == (errno.EINVAL, str(pipe))
    with refused(DataError, "unreadable-file", "list.csv"):
        read_pairs(pipe)


def test_a_device_without_end_is_not_read():
    with pytest.raises(OSError, match="/dev/zero") as caught:
        files.content(Path("/dev/zero"))
    assert (caught.value.errno, caught.value.filename) == (errno.EINVAL, "/dev/zero")


def test_a_giant_is_refused_by_size(tmp_path):
    file = tmp_path / "list.csv"
    with file.open("wb") as stream:
        stream.truncate(1 << 40)  # sparse: takes no room
    with refused(DataError, "unreadable-file", "256"):
        read_pairs(file)


def test_a_pipe_or_device_is_not_replaced(tmp_path):
    """As root, a file renamed to /dev/null would be the end of it."""
    pipe = tmp_path / "null"
    os.mkfifo(pipe)
    with refused(DataError, "unwritable-file"):
        pairs().write(pipe)
    assert pipe.is_fifo()
    assert [file.name for file in tmp_path.iterdir()] == ["null"]


def test_a_full_disk_is_no_mistake_in_a_name(tmp_path, monkeypatch):
    def full(self, *_, **__):
        self.touch()
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match=r"list\.csv") as caught:
        pairs().write(tmp_path / "list.csv")
    assert caught.value.errno == errno.ENOSPC and str(caught.value.filename).endswith("list.csv")
    assert not list(tmp_path.iterdir()), "no half a list is left"


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link").symlink_to("list.csv")
    pairs().write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert PairList.read(tmp_path / "list.csv") == pairs()


def half(file, flush):
    with files.replacing(file, flush=flush) as temporary:
        temporary.write_bytes(b"ha")
        raise KeyboardInterrupt


@pytest.mark.parametrize("flush", [False, True])
def test_a_file_appears_whole_or_not_at_all(tmp_path, flush, monkeypatch):
    flushed = []
    monkeypatch.setattr(os, "fsync", lambda handle: flushed.append(os.readlink(f"/proc/self/fd/{handle}")))
    file = tmp_path / "new" / "a.bin"
    with files.replacing(file, flush=flush) as temporary:
        temporary.write_bytes(b"whole")
        assert not file.exists()
    assert file.read_bytes() == b"whole" and os.listdir(file.parent) == ["a.bin"]
    assert flushed == ([str(temporary), str(file.parent)] if flush else [])
    with pytest.raises(KeyboardInterrupt):
        half(file, flush)
    assert file.read_bytes() == b"whole" and os.listdir(file.parent) == ["a.bin"]


def test_an_error_of_writing_names_the_file_that_was_asked_for(tmp_path):
    with pytest.raises(OSError, match="No space") as caught, files.replacing(tmp_path / "a.bin"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert caught.value.filename == str(tmp_path / "a.bin")


def test_what_a_killed_process_left_is_removed(tmp_path):
    left, own = tmp_path / "work" / ".b.parquet.77.tmp", tmp_path / "work" / "b.parquet"
    left.parent.mkdir()
    left.write_bytes(b"half")
    own.write_bytes(b"whole")
    files.remove_unfinished(tmp_path)
    assert own.exists() and not left.exists()
