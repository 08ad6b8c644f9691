"""The run directory keeps what is whole and nothing else."""

import pandas as pd
import pytest

from bench.rundir.directory import RunDirectory
from bench.rundir.whole import write_parquet
from bench.runtime.errors import UserError
from protocols.names import safe_name


def test_shards_come_back_and_torn_ones_do_not(tmp_path):
    run = RunDirectory(tmp_path)
    run.write_shard("fomm", "a", pd.DataFrame({"pair": ["p1"], "status": ["failed"]}))
    (whole,) = (tmp_path / "work" / "fomm").iterdir()
    content = whole.read_bytes()
    middle = len(content) // 2
    damages = (b"", content[:-7], bytes(len(content)), content[:middle] + b"\0" * 9 + content[middle + 9 :])
    for number, damaged in enumerate(damages):
        torn = whole.with_name(whole.name.replace("a.", f"b{number}.", 1))
        torn.write_bytes(damaged)
        (shard,) = run.shards("fomm")
        assert shard.to_dict("list") == {"pair": ["p1"], "status": ["failed"]}
        assert not torn.exists()


def test_second_run_in_a_folder_is_refused(tmp_path):
    first, second = RunDirectory(tmp_path), RunDirectory(tmp_path)
    with first.locked(), pytest.raises(UserError, match="another run"), second.locked():
        pass


def test_unwritable_folder(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UserError, match="cannot write"), RunDirectory(file / "run").locked():
        pass


@pytest.mark.parametrize("text", ["{", "[]", '{"schema": 99}'])
def test_foreign_manifest(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(UserError, match="manifest"):
        RunDirectory(tmp_path).manifest()


def test_failed_write_leaves_the_old_file(tmp_path):
    file = tmp_path / "samples.parquet"
    write_parquet(file, pd.DataFrame({"a": [1]}))

    class Unwritable:
        def to_parquet(self, *args, **options):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_parquet(file, Unwritable())
    assert pd.read_parquet(file)["a"].tolist() == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["samples.parquet"]


def test_safe_names():
    assert safe_name("frames:/data/x y") == "frames__data_x_y"
    assert safe_name("../..") == "_.." and safe_name("..") == safe_name("") == "_"
    assert safe_name("a<b>c") == "a_b_c"


def test_long_labels_stay_apart_and_fit_a_file_system(tmp_path):
    """A label may be a whole command line."""
    labels = [f"cmd:python {'x' * 5000} {end}" for end in "ab"]
    assert len({safe_name(label) for label in labels}) == 2
    for label in labels:
        (tmp_path / safe_name(label)).mkdir()
