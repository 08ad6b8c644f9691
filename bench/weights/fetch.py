"""Download one file: resume an interrupted download; the file appears only when complete and verified.

Uses urllib: beyond one request it only needs to resume with a Range header. pooch and torch.hub cannot resume; requests
and httpx leave it to their callers, so each would be one more dependency for the same lines.
"""

from __future__ import annotations

import http.client
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from protocols import interruption
from protocols.errors import BenchError, first_line

TIMEOUT = 30  # seconds without a byte
BLOCK = 1 << 20
_BROKEN = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError, ssl.SSLError)

Progress = Callable[[int, int | None], None]


class TransferError(BenchError):
    """A download that failed."""

    code = "download-failed"


def download(
    address: str, target: Path, check: Callable[[Path], str], progress: Progress = lambda done, whole: None
) -> str:
    """Download the file at `address` to `target`, replacing an existing file, and return the result of `check`.

    The bytes go to ``<target>.part``, which a later call resumes if the server still has the same file.
    check: receives the whole file; if it raises, the file is removed.
    progress: receives the number of bytes so far, and in all if the server gives it.
    Raises TransferError.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    part, tag = (target.with_name(target.name + end) for end in (".part", ".part.tag"))
    try:
        _transfer(address, part, tag, progress)
    except urllib.error.HTTPError as error:
        raise TransferError(f"{address}: the server answers {error.code} {error.reason}") from None
    except _BROKEN as error:
        reason = getattr(error, "reason", None) or error
        raise TransferError(f"{address}: {_one_line(reason)}{_kept(part)}") from None
    try:
        result = check(part)
    except Exception:
        part.unlink(missing_ok=True)
        tag.unlink(missing_ok=True)
        raise
    part.replace(target)
    tag.unlink(missing_ok=True)
    return result


def _transfer(address: str, part: Path, tag: Path, progress: Progress) -> None:
    # Without a tag of the file's version, resuming could mix two versions.
    known = tag.read_text(encoding="utf-8") if tag.is_file() else ""
    start = part.stat().st_size if known and part.is_file() else 0
    headers = {"User-Agent": "talking-head-bench", "Accept-Encoding": "identity"}
    if start:
        headers |= {"Range": f"bytes={start}-", "If-Range": known}
    try:
        response = urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code != 416 or not start:
            raise
        if re.fullmatch(rf"bytes \*/{start}", error.headers.get("Content-Range", "")):
            return  # complete already
        part.unlink()
        return _transfer(address, part, tag, progress)
    with response:
        if response.headers.get_content_type() == "text/html":
            raise TransferError(f"{address}: the server sends a web page instead of the file")
        resumes = response.status == 206
        if resumes and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise TransferError(f"{address}: the server sends a part that was not requested")
        version = response.headers.get("ETag", "")
        if not version or version.startswith("W/"):  # a weak tag does not guarantee the same bytes
            version = response.headers.get("Last-Modified", "")
        tag.write_text(version, encoding="utf-8")
        length = response.headers.get("Content-Length")
        done = start if resumes else 0
        whole = done + int(length) if length else None
        with open(part, "ab" if resumes else "wb") as stream:
            while block := response.read(BLOCK):
                stream.write(block)
                done += len(block)
                progress(done, whole)
                interruption.check()
        if whole is not None and done < whole:
            raise TransferError(f"{address}: interrupted after {done} of {whole} bytes{_kept(part)}")


def _kept(part: Path) -> str:
    kept = part.is_file() and part.stat().st_size
    return "; the received part was saved; re-run the same command to resume" if kept else ""


def _one_line(error: BaseException) -> str:
    return first_line(error)


def download_from_hub(repository: str, name: str, cache: Path | None) -> None:
    """Download a file of the Hugging Face hub into a cache folder of its layout, by the hub's own client.

    cache: None if py-feat, which brings that client and reads its files from its own folder, is not installed.
    Raises TransferError.
    """
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        cache = None
    if cache is None:
        raise TransferError(
            "py-feat stores its files in its own folder: first pip install 'talking-head-bench[py-feat]'",
            code="missing-package",
        )
    try:
        hf_hub_download(repository, name, cache_dir=cache)
    except Exception as error:  # the client, and the libraries below it, raise many kinds
        raise TransferError(f"huggingface.co/{repository}/{name}: {_one_line(error)}") from None
