"""`bench view` over HTTP: what is shown, what is ranked together, and what nobody gets."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import os
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient
from support import manifests, shelved_runs

from bench.rundir.directory import RunDirectory
from bench.view import groups, policies, server
from bench.view.shelf import Shelf
from reports.run import html as report


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> Path:
    return shelved_runs.folder(tmp_path_factory.mktemp("shelf") / "runs")


@pytest.fixture(scope="module")
def client(runs) -> TestClient:
    return TestClient(server.app([runs]), base_url="http://127.0.0.1", raise_server_exceptions=True)


def tables(runs: Path, **wanted: object) -> list[groups.Group]:
    return groups.groups(Shelf([runs]).runs(), groups.Wanted(**wanted))


def ids(runs: Path) -> dict[str, str]:
    return {run.name: run.id for run in Shelf([runs]).runs()}


def rows(group: groups.Group) -> list[tuple[str, str]]:
    return [(line.run.name, line.model) for line in group.lines]


def test_runs_of_one_question_share_a_table_and_others_do_not(runs):
    shared, other = tables(runs)
    odd = shelved_runs.ODD
    assert rows(shared) == [
        *(("two", model) for model in ("mcnet", odd, "copy-source")),
        *(("one", model) for model in ("mcnet", "tpsm", "copy-source")),
    ]
    assert {run for run, _ in rows(other)} == {"other"} and other.sha256 == "cd" * 32


@pytest.mark.parametrize(
    "facts",
    [
        {"data_sha256": "e" * 64},
        {"sample_data": False},
        {"data_sha256": None},
        {"protocol": manifests.PROTOCOL.but(version=2)},
        {"protocol": manifests.PROTOCOL.but(frame_size="512x512")},
        {"crop": {"vox1": {"mode": "face"}}},
    ],
)
def test_other_data_or_protocols_are_not_ranked_together(tmp_path, facts):
    shelved_runs.add(tmp_path / "a", "mcnet")
    shelved_runs.add(tmp_path / "b", "mcnet")
    assert len(tables(tmp_path)) == 1
    run = RunDirectory(tmp_path / "b")
    run.write_manifest(type(run.complete()).model_validate({**run.complete().content(), **_plain(facts)}))
    assert len(tables(tmp_path)) == 2


def _plain(facts: dict[str, object]) -> dict[str, object]:
    return {key: value.content() if hasattr(value, "content") else value for key, value in facts.items()}


def test_runs_that_do_not_tell_their_frames_stand_alone(tmp_path):
    for name in "ab":
        shelved_runs.add(tmp_path / name, "mcnet", data_sha256=None)
    assert [group.unknown for group in tables(tmp_path)] == [True, True]


def test_two_signatures_are_two_columns_and_ranked_apart(tmp_path):
    shelved_runs.add(tmp_path / "a", "mcnet", "tpsm")
    shelved_runs.add(tmp_path / "b", "mcnet", "tpsm")
    manifest = manifests.manifest_of(tmp_path / "b")
    metrics = tuple(one.but(signature=one.signature + "|x:1") if one.name == "l1" else one for one in manifest.metrics)
    shelved_runs.change(tmp_path / "b", metrics=metrics)
    (group,) = tables(tmp_path)
    assert [column.name for column in group.columns.values()] == ["ssim", "psnr", "l1", "l1"] and group.several == (
        "l1",
    )
    first, second = (id_ for id_, column in group.columns.items() if column.name == "l1")
    for column in (first, second):
        own = [line for line in group.lines if column in line.cells]
        assert len(own) == 3 and len({line.run.name for line in own}) == 1
        assert sum(line.cells[column].best for line in own) == 1


def test_the_best_are_those_of_the_models_and_bounds_are_none(runs):
    shared, _ = tables(runs)
    for id_, column in shared.columns.items():
        values = {line.cells[id_].value for line in shared.lines if not line.bound}
        best = max(values) if column.metric.higher_is_better else min(values)
        assert [line for line in shared.lines if line.cells[id_].best] == [
            line for line in shared.lines if not line.bound and line.cells[id_].value == best
        ]


@pytest.mark.parametrize("metric", shelved_runs.METRICS)
def test_sorting_is_by_value_in_both_directions(runs, metric):
    shared = tables(runs)[0]
    (id_,) = (id_ for id_, column in shared.columns.items() if column.name == metric)
    for sort, reverse in ((id_, False), (f"-{id_}", True)):
        values = [line.cells[id_].value for line in tables(runs, sort=sort)[0].lines]
        assert values == sorted(values, reverse=reverse)


def test_filters(runs):
    assert {model for group in tables(runs, model="tpsm") for _, model in rows(group)} == {"tpsm"}
    assert {run for group in tables(runs, text="OTHER") for run, _ in rows(group)} == {"other"}
    assert [list(group.columns.values())[0].name for group in tables(runs, metric="psnr")] == ["psnr", "psnr"]
    assert not any(line.bound for group in tables(runs, bounds=False) for line in group.lines)
    assert tables(runs, protocol="none") == [] and len(tables(runs, protocol="vox1-diffscale")) == 2


def test_the_page_has_every_run_and_escapes_every_name(client):
    page = client.get("/").text
    assert html.escape(shelved_runs.ODD) in page.replace("&#34;", "&quot;").replace("&#39;", "&#x27;")
    assert shelved_runs.ODD not in page
    assert {"one", "two", "other"} <= set(re.findall(r'<a href="run/[0-9a-f]{16}/">([^<]+)</a>', page))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(["q", "protocol", "model", "metric", "sort", "bounds", "pick"]), st.text()))
def test_no_question_breaks_it(client, asked):
    answer = client.get("/", params=asked)
    assert answer.status_code == 200
    assert "<script" not in answer.text
    assert client.get("/compare", params=asked).status_code in (404, 409)


def test_a_new_run_appears_and_a_changed_one_is_read_again(tmp_path):
    shelved_runs.add(tmp_path / "a", "mcnet")
    shelf = Shelf([tmp_path])
    (first,) = shelf.runs()
    assert shelf.runs()[0] is first  # not read again
    shelved_runs.add(tmp_path / "b", "mcnet")
    assert [run.name for run in shelf.runs()] == ["a", "b"] and shelf.runs()[0] is first
    (tmp_path / "a" / "summary.json").write_text("{")
    assert [run.state for run in shelf.runs()] == ["damaged", "complete"]


@pytest.mark.parametrize("name", ["manifest.json", "summary.json", "samples.parquet"])
def test_a_damaged_run_is_shown_as_that(tmp_path, name):
    run = shelved_runs.add(tmp_path / "runs" / "a", "mcnet")
    shelved_runs.change(run, samples_sha256=hashlib.sha256((run / "samples.parquet").read_bytes()).hexdigest())
    shelf = Shelf([tmp_path / "runs"])
    assert [one.state for one in shelf.runs()] == ["complete"]
    (run / name).write_bytes((run / name).read_bytes()[:-9])
    (found,) = shelf.runs()
    assert found.state == "damaged" and name in found.why and str(tmp_path) not in found.why
    client = TestClient(server.app([tmp_path / "runs"]), base_url="http://localhost")
    page = client.get("/").text
    assert "damaged" in page and str(tmp_path) not in page
    assert client.get(f"/run/{found.id}/").status_code == 200
    both = [f"{found.id}:mcnet", f"{found.id}:copy-source"]
    assert client.get("/compare", params={"pick": both}).status_code in (404, 409)


def test_a_run_at_work_and_one_that_was_stopped(tmp_path):
    for name, pid in (("going", os.getpid()), ("killed", 2**22 + 1)):
        run = shelved_runs.add(tmp_path / name, "mcnet")
        content = manifests.manifest_of(run).content()
        (run / "manifest.json").write_text(json.dumps({**content, "state": "running", "sha256": None}))
        manifest = json.loads((run / "manifest.json").read_text())
        del manifest["sha256"]
        (run / "manifest.json").write_text(json.dumps(manifest))
        (run / "work" / "mcnet").mkdir(parents=True)
        (run / "work" / "mcnet" / "0.a.parquet").touch()
        (run / ".lock.json").write_text(json.dumps({"pid": pid, "host": socket.gethostname()}))
    (tmp_path / "begun" / "work").mkdir(parents=True)
    (tmp_path / "begun" / ".lock").touch()
    shelf = Shelf([tmp_path])
    assert {run.name: run.state for run in shelf.runs()} == {
        "going": "running",
        "killed": "stopped",
        "begun": "stopped",
    }
    before = {run.name: run.why for run in shelf.runs()}
    (tmp_path / "going" / "work" / "mcnet" / "1.b.parquet").touch()
    after = {run.name: run.why for run in shelf.runs()}
    assert before["going"] != after["going"] and before["killed"] == after["killed"]


def test_two_rows_are_compared_pair_by_pair(client, runs):
    one, two = ids(runs)["one"], ids(runs)["two"]
    other, equal = [f"{one}:mcnet", f"{one}:tpsm"], [f"{one}:tpsm", f"{two}:{shelved_runs.ODD}"]
    for picks, drawn in ((other, True), (equal, False)):  # no plot where all differences are zero
        answer = client.get("/compare", params={"pick": picks})
        assert answer.status_code == 200 and ("<svg" in answer.text) == drawn and shelved_runs.ODD not in answer.text
    assert client.get("/compare", params={"pick": [f"{one}:mcnet"]}).status_code == 409
    assert client.get("/compare", params={"pick": [f"{one}:mcnet", f"{one}:nobody"]}).status_code == 409
    assert client.get("/compare", params={"pick": [f"{one}:mcnet", "0:mcnet"]}).status_code == 404


def test_compared_pairs_are_pictures_with_links_to_both_runs(client, runs):
    one, two = ids(runs)["one"], ids(runs)["two"]
    page = client.get("/compare", params={"pick": [f"{one}:mcnet", f"{two}:mcnet"]}).text
    assert page.count('alt="output of') == 2 * page.count("<article") > 0
    assert [href for href in re.findall(r'<a href="([^"#]+)"', page)] == [f"run/{one}/", f"run/{two}/", "./"]
    assert all(client.get(f"/{href}").status_code == 200 for href in (f"run/{one}/", f"run/{two}/"))


def test_compared_clips_have_their_pages(gray_run):
    client = TestClient(server.app([gray_run]), base_url="http://127.0.0.1")
    (id_,) = ids(gray_run).values()
    page = client.get("/compare", params={"pick": [f"{id_}:same", f"{id_}:brighter"]}).text
    articles = re.findall(r"<article.*?</article>", page, re.DOTALL)
    links = [re.findall(r'<a [^>]*href="(run/[0-9a-f]+/clip/\d)"', one) for one in articles]
    assert articles and all(len(own) == 1 for own in links)  # one run: one page a clip, not two
    for article, (link,) in zip(articles, links):
        assert f"<h1>{re.search('<code>(.*?)</code>', article)[1]}</h1>" in client.get(f"/{link}").text


def test_no_picture_of_a_comparison_is_from_outside_its_run(tmp_path):
    run = shelved_runs.add(tmp_path / "runs" / "a", "mcnet", "tpsm")
    secret = tmp_path / "secret"
    (run / "pictures" / "mcnet").rename(secret)
    (run / "pictures" / "mcnet").symlink_to(secret)
    client = TestClient(server.app([tmp_path / "runs"]), base_url="http://127.0.0.1")
    (id_,) = ids(tmp_path / "runs").values()
    page = client.get("/compare", params={"pick": [f"{id_}:mcnet", f"{id_}:tpsm"]}).text
    shown = page.count("<article")
    assert shown > 0 and page.count('alt="output of tpsm"') == shown and 'alt="output of mcnet"' not in page


def test_a_report_is_served_and_runs_only_the_scripts_of_this_program(tmp_path, gray_run):
    client = TestClient(server.app([gray_run]), base_url="http://127.0.0.1")
    (id_,) = ids(gray_run).values()
    page = client.get(f"/run/{id_}/report.html")
    assert page.content == (gray_run / "report.html").read_bytes()
    policy = page.headers["content-security-policy"]
    assert policy == policies.of_reports() and "script-src 'sha256-" in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
    scripts = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
    assert scripts
    for script in scripts:  # as a browser hashes it
        assert base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() in policy


def test_clips_and_their_videos(gray_run):
    client = TestClient(server.app([gray_run]), base_url="http://127.0.0.1")
    (id_,) = ids(gray_run).values()
    assert len(re.findall(r'href="clip/\d+"', client.get(f"/run/{id_}/").text)) == 3
    page = client.get(f"/run/{id_}/clip/1")
    assert page.status_code == 200
    (source,) = re.findall(r'src="\.\./(media/[^"]+)"', page.text)
    video = client.get(f"/run/{id_}/{source}", headers={"range": "bytes=0-99"})
    assert video.status_code == 206 and video.headers["content-type"] == "video/mp4"
    assert video.content == (gray_run / source).read_bytes()[:100]
    assert re.findall(r'<th scope="row">(\w+)</th>', page.text)[:2] == ["same", "brighter"]
    for wrong in ("3", "-1", "x", "99999999999999999999"):
        assert client.get(f"/run/{id_}/clip/{wrong}").status_code == 404


@pytest.fixture(scope="module")
def closed(tmp_path_factory):
    """A run with links that lead out of it, beside what nobody may get."""
    root = tmp_path_factory.mktemp("closed")
    (root / "secret.mp4").write_bytes(b"secret")
    (root / "secret.html").write_bytes(b"secret")
    run = shelved_runs.add(root / "runs" / "a", "mcnet")
    (run / "media").mkdir()
    (run / "media" / "own.mp4").write_bytes(b"video")
    (run / "media" / "out.mp4").symlink_to(root / "secret.mp4")
    (run / "media" / "in.mp4").symlink_to("own.mp4")
    (run / "report.html").symlink_to(root / "secret.html")
    (run / "inspect").symlink_to(root)
    (root / "inspect.html").write_bytes(b"secret")
    os.mkfifo(run / "media" / "pipe.mp4")
    shelved_runs.add(root / "elsewhere" / "b", "mcnet")
    (root / "runs" / "link").symlink_to(root / "elsewhere")
    (root / "runs" / "same").symlink_to(root / "runs" / "a")
    app = server.app([root / "runs"])
    return TestClient(app, base_url="http://127.0.0.1"), ids(root / "runs")["a"]


def test_links_lead_nowhere_else(closed):
    client, id_ = closed
    assert client.get(f"/run/{id_}/media/own.mp4").content == b"video"
    assert client.get(f"/run/{id_}/media/in.mp4").content == b"video"
    for name in ("media/out.mp4", "report.html", "inspect/inspect.html", "media/pipe.mp4"):
        assert client.get(f"/run/{id_}/{name}").status_code == 404
    page = client.get("/").text
    assert "link" in page.partition("Left out")[2].partition("</p>")[0] and "elsewhere" not in page


PIECES = st.sampled_from(
    [
        "..",
        ".",
        "/",
        "//",
        "%2e%2e",
        "%2f",
        "\\",
        "%5c",
        "%00",
        "media",
        "own.mp4",
        "manifest.json",
        ".lock",
        "etc",
        "~",
    ]
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(PIECES | st.text(max_size=6), max_size=8), st.sampled_from(["/", ""]))
def test_no_path_gets_another_file(closed, parts, between):
    client, id_ = closed
    answer = client.get(f"/run/{id_}/media/{quote(between.join(parts), safe='/%')}")
    assert answer.status_code < 500 and b"secret" not in answer.content
    assert answer.status_code != 200 or answer.content == b"video" or "text/html" in answer.headers["content-type"]


@pytest.mark.parametrize(
    "path",
    ["manifest.json", "samples.parquet", ".lock", "media/../manifest.json", "media/..%2fmanifest.json", "media/"],
)
def test_other_files_of_a_run_are_not_given_out(closed, path):
    client, id_ = closed
    assert client.get(f"/run/{id_}/{path}").status_code == 404


def test_every_answer_keeps_to_a_policy_and_nothing_is_written(client, runs):
    before = {file: file.stat().st_mtime_ns for file in runs.rglob("*")}
    id_ = ids(runs)["one"]
    for path in ("/", "/view.css", f"/run/{id_}/", "/none", f"/run/{id_}/none", "/compare"):
        answer = client.get(path)
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'") and "script" not in policy
        assert "frame-ancestors 'none'" in policy and "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["cache-control"] == "no-store"
        assert "set-cookie" not in answer.headers
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert client.request(method, path).status_code in (404, 405)
    assert {file: file.stat().st_mtime_ns for file in runs.rglob("*")} == before


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "", "[::2]"])
def test_another_host_name_gets_nothing(client, host):
    answer = client.get("/", headers={"host": host})
    assert answer.status_code == 400 and "mcnet" not in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1:8018", "localhost", "localhost:9", "[::1]:8018"])
def test_names_of_this_machine_get_it(client, host):
    assert client.get("/", headers={"host": host}).status_code == 200


def test_a_port_in_use_is_one_line(bench, runs):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = bench("view", runs, "--port", taken.getsockname()[1])
    assert (ended[0], ended.error) == (2, "bad-value") and "Traceback" not in ended[1]


def test_no_folder_is_one_line(bench, tmp_path):
    ended = bench("view", tmp_path / "none", "--port", 0)
    assert (ended[0], ended.error) == (2, "missing-folder")


def test_without_the_packages_it_says_which_extra(bench, runs, monkeypatch):
    monkeypatch.delitem(sys.modules, "bench.view.server")
    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    ended = bench("view", runs, "--port", 0)
    assert (ended[0], ended.error) == (2, "missing-package") and "[view]" in ended[1]


@pytest.mark.slow
def test_the_command_serves_and_ends(runs):
    """As it is typed; a name of elsewhere gets nothing."""
    line = [sys.executable, "-u", "-m", "bench", "view", str(runs), "--port", "0"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            (address,) = re.findall(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())
            with urllib.request.urlopen(address, timeout=20) as answer:
                assert b"mcnet" in answer.read()
            asked = urllib.request.Request(address, headers={"Host": "evil.example"})
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(asked, timeout=20)
            assert refused.value.code == 400
        finally:
            process.terminate()
            process.wait(20)


def test_pages_have_no_script_and_take_nothing_from_elsewhere():
    for file in (Path(server.__file__).parent / "web").iterdir():
        text = file.read_text("utf-8")
        assert "http" not in text and "<script" not in text and "| safe" not in text and "style=" not in text, file


def test_a_report_drawn_again_is_the_one_that_is_shown(tmp_path):
    run = shelved_runs.add(tmp_path / "a", "mcnet", "tpsm")
    client = TestClient(server.app([tmp_path]), base_url="http://127.0.0.1")
    (id_,) = ids(tmp_path).values()
    assert client.get(f"/run/{id_}/report.html").status_code == 404
    assert 'href="report.html"' not in client.get(f"/run/{id_}/").text
    report.write(run)
    assert client.get(f"/run/{id_}/report.html").status_code == 200
    assert 'href="report.html"' in client.get(f"/run/{id_}/").text
