"""Downloads: whole or not at all, going on where they stopped, every failure in one line."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.command_line import call as call_bench
from support.file_server import FileServer, serving

from bench.detectors import pyfeat
from bench.weights import files as weights
from bench.weights.check import WRONG
from bench.weights.fetch import download

CONTENT = bytes(range(256)) * 9000
DIGITS = hashlib.sha256(CONTENT).hexdigest()
NAME = "net.pth"
Bench = Callable[..., tuple[int, str]]


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serving() as server:
        server.files[NAME] = CONTENT
        yield server


@pytest.fixture
def listed(monkeypatch: pytest.MonkeyPatch, server: FileServer, tmp_path: Path) -> dict[str, Any]:
    """The one file of the list, at the server; change it before the call."""
    entry = {"id": "net", "name": NAME, "used_for": "tests", "license": "MIT", "sha256": DIGITS[:8]}
    entry["address"] = server.address(NAME)
    facts = weights._facts()["models"]
    monkeypatch.setattr(weights, "_facts", lambda: {"models": facts, "file": [entry]})
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return entry


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir()
    return folder


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Bench:
    """Exit code and printed lines of `bench weights …`, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TALKING_HEAD_BENCH_WEIGHTS", raising=False)
    monkeypatch.setenv("no_proxy", "*")

    def call(*arguments: object) -> tuple[int, str]:
        return call_bench(monkeypatch, capsys, "weights", *arguments)

    return call


def fails(result: tuple[int, str], *words: str, code: int = 1) -> None:
    found, text = result
    assert found == code, text
    assert len(text.splitlines()) == 1, text
    assert all(word in text for word in words), text


def test_a_file_is_fetched_once(listed, folder, bench, server):
    code, text = bench("fetch", "net", "--weights", folder)
    assert code == 0 and "fetched" in text and f"sha256 {DIGITS[:12]}" in text
    assert (folder / NAME).read_bytes() == CONTENT
    assert [file.name for file in folder.iterdir()] == [NAME]
    code, text = bench("--weights", folder, "fetch", "all")
    assert code == 0 and text.startswith("found") and len(server.asked) == 1


@pytest.mark.parametrize("cut", [1, 70_000, len(CONTENT) - 1])
def test_it_goes_on_where_it_stopped(listed, folder, bench, server, cut):
    server.cut = cut
    fails(bench("fetch", "net", "--weights", folder), f"{cut} of {len(CONTENT)} bytes", "resume")
    assert not (folder / NAME).exists()
    assert (folder / f"{NAME}.part").read_bytes() == CONTENT[:cut]
    server.cut = None
    assert bench("fetch", "net", "--weights", folder)[0] == 0
    assert server.asked[1]["Range"] == f"bytes={cut}-"
    assert (folder / NAME).read_bytes() == CONTENT
    assert [file.name for file in folder.iterdir()] == [NAME]


@pytest.mark.parametrize("habit", [{"ranges": False}, {"tag": '"v2"'}, {"tag": None}, {"tag": 'W/"v"'}])
def test_what_cannot_be_gone_on_with_starts_over(listed, folder, bench, server, habit):
    """A server without ranges, one that has another version by now, one that tells no version, or only vaguely."""
    if habit.get("tag", "") in (None, 'W/"v"'):  # the same before and after, though the file is another
        server.tag = habit["tag"]
    server.files[NAME] = b"an older file" * 100
    server.cut = 50
    assert bench("fetch", "net", "--weights", folder)[0] == 1
    server.files[NAME], server.cut = CONTENT, None
    for name, value in habit.items():
        setattr(server, name, value)
    assert bench("fetch", "net", "--weights", folder)[0] == 0
    assert (folder / NAME).read_bytes() == CONTENT


@pytest.mark.parametrize("more", [b"", b"and more"])
def test_a_part_that_is_whole_or_too_long(listed, folder, bench, server, more):
    (folder / f"{NAME}.part").write_bytes(CONTENT + more)
    (folder / f"{NAME}.part.tag").write_text(server.tag)
    assert bench("fetch", "net", "--weights", folder)[0] == 0
    assert (folder / NAME).read_bytes() == CONTENT
    assert len(server.asked) == (2 if more else 1)


def test_a_check_that_is_interrupted_loses_nothing(server, folder):
    def interrupted(_: Path) -> str:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        download(server.address(NAME), folder / NAME, interrupted)
    told = []
    said = download(server.address(NAME), folder / NAME, lambda path: "right", lambda *now: told.append(now))
    assert said == "right" and told == [] and (folder / NAME).read_bytes() == CONTENT  # not one byte came twice


def test_progress_is_told_from_where_it_goes_on(server, folder):
    (folder / f"{NAME}.part").write_bytes(CONTENT[:1000])
    (folder / f"{NAME}.part.tag").write_text(server.tag)
    told = []
    download(server.address(NAME), folder / NAME, lambda path: "right", lambda *now: told.append(now))
    assert all(whole == len(CONTENT) for _, whole in told) and told[0][0] > 1000 and told[-1][0] == len(CONTENT)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_a_wrong_checksum_leaves_nothing(listed, folder, bench):
    listed["sha256"] = "0" * 10
    fails(bench("fetch", "net", "--weights", folder), WRONG, DIGITS, "0000000000")
    assert not list(folder.iterdir())


def test_a_wrong_file_is_replaced_by_the_right_one(listed, folder, bench):
    (folder / NAME).write_bytes(b"truncated")
    code, text = bench("fetch", "net", "--weights", folder)
    assert code == 0 and text.startswith("again")
    assert (folder / NAME).read_bytes() == CONTENT


def test_a_wrong_file_stays_while_there_is_no_right_one(listed, folder, bench, server):
    (folder / NAME).write_bytes(b"mine")
    server.code = 503
    code, text = bench("fetch", "net", "--weights", folder)
    assert code == 1 and "503" in text
    assert (folder / NAME).read_bytes() == b"mine"


def test_without_a_checksum_the_file_must_open(listed, folder, bench, server):
    listed["sha256"] = ""
    fails(bench("fetch", "net", "--weights", folder), "failed   net: ", NAME, "truncated")
    assert not (folder / NAME).exists()
    listed["name"] = "net.json"
    server.files[NAME] = b'{"right": true}'
    code, text = bench("fetch", "net", "--weights", folder)
    assert code == 0 and hashlib.sha256(server.files[NAME]).hexdigest() in text


def test_refusals_of_the_server(listed, folder, bench, server):
    for code, word in ((404, "Not Found"), (403, "Forbidden"), (503, "Service Unavailable")):
        server.code = code
        fails(bench("fetch", "net", "--weights", folder), f"{code} {word}", server.address(NAME))
    server.code, server.content_type = 200, "text/html; charset=utf-8"
    fails(bench("fetch", "net", "--weights", folder), "web page", server.address(NAME))
    assert not list(folder.iterdir())


def test_hosts_that_cannot_be_reached(listed, folder, bench):
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        listed["address"] = f"http://127.0.0.1:{taken.getsockname()[1]}/{NAME}"
        fails(bench("fetch", "net", "--weights", folder), "refused")
    listed["address"] = f"http://nowhere.invalid/{NAME}"
    fails(bench("fetch", "net", "--weights", folder), "nowhere.invalid")


def test_one_failure_does_not_keep_the_others(listed, folder, bench, server, monkeypatch):
    other = listed | {"name": "other.pth", "address": server.address("other.pth")}
    facts = weights._facts()
    monkeypatch.setattr(weights, "_facts", lambda: facts | {"file": [other, listed]})
    code, text = bench("fetch", "net", "--weights", folder)
    assert code == 1 and "404" in text and (folder / NAME).is_file()


def test_what_needs_a_person_is_said_in_one_line(listed, folder, bench):
    fails(bench("fetch", "fomm", "tpsm", "--weights", folder), "fomm, tpsm")
    code, text = bench("fetch", "all", "--weights", folder)
    assert code == 0 and (folder / NAME).is_file()
    assert all(name in text.splitlines()[-1] for name in ("fomm", "tpsm")) and len(text.splitlines()) == 2


def test_mistakes_of_the_user(listed, folder, bench, server):
    for arguments, error, value in (
        (("nett", "--weights", folder), "unknown-weights", "net?"),
        (("meshg", "--weights", folder), "unknown-weights", "meshg"),
        (("net",), "missing-option", "--weights"),
        (("net", "--weights", folder / "no"), "missing-folder", folder / "no"),
    ):
        ended = bench("fetch", *arguments)
        fails(ended, str(value), code=2)
        assert ended.error == error
    assert not server.asked


def test_py_feat_must_be_there_first(folder, bench, monkeypatch):
    monkeypatch.setattr(pyfeat, "resources", lambda: None)
    code, text = bench("fetch", "py-feat", "--weights", folder)
    assert code == 1
    assert all("talking-head-bench[py-feat]" in line for line in text.splitlines())


@pytest.mark.skipif(not importlib.util.find_spec("huggingface_hub"), reason="the hub's client comes with py-feat")
def test_the_hubs_client_fills_the_cache_that_py_feat_reads(folder, server, tmp_path):
    """In a process of its own, because the client reads the hub's address when it is imported."""
    _, name, _ = file = pyfeat.FILES[-1]
    content = b'{"layers": []}'
    server.files[f"{file[0]}/resolve/main/{name}"] = content
    server.tag = f'"{hashlib.sha1(content).hexdigest()}"'
    server.extra = {"X-Repo-Commit": "f" * 40}
    code = (
        "import sys; from pathlib import Path; from bench.cli import main as cli\n"
        "from bench.weights import files as weights; from bench.detectors import pyfeat\n"
        "facts = weights._facts()\n"
        f"own = [entry for entry in facts['file'] if entry['name'] == {name!r}]\n"
        "weights._facts = lambda: facts | {'file': own}\n"
        f"pyfeat.resources = lambda: Path({str(tmp_path / 'cache')!r})\n"
        f"sys.argv = ['bench', 'weights', 'fetch', 'py-feat', '--weights', {str(folder)!r}]\n"
        "cli.main()"
    )
    settings = {"HF_ENDPOINT": server.address("").rstrip("/"), "HF_HOME": str(tmp_path / "home"), "no_proxy": "*"}
    environment = {**os.environ, **settings, "HF_HUB_DISABLE_XET": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "JSON" in done.stdout, done.stdout + done.stderr
    found = next((tmp_path / "cache").rglob(f"snapshots/*/{name}"))
    assert found.read_bytes() == content
    server.code = 404
    other = {**environment, "HF_HOME": str(tmp_path / "other")}
    code = code.replace("'cache'", "'empty'").replace("/cache", "/empty")
    done = subprocess.run([sys.executable, "-c", code], env=other, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith("failed")] == done.stdout.splitlines()
