"""Files that are not what they seem: cut, changed, lying about their size, of two kinds at once. All from seeds."""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping

import av
import numpy as np
import torch
from PIL import Image
from safetensors.torch import save as to_safetensors

Files = Iterator[tuple[str, bytes]]

SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
EPS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n(/etc/hostname) (r) file 64 string readstring\nshowpage\n"
HLS = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{address}\n#EXT-X-ENDLIST\n"
CONCAT = "ffconcat version 1.0\nfile '{address}'\n"
HTML = b"<!doctype html><html><body>404: too many downloads</body></html>"


def damaged(content: bytes, seed: int, n: int) -> Files:
    """Cut at random places, bytes changed at random, blocks of zeros, halves exchanged, another file's end."""
    rng = random.Random(seed)
    for k in range(n):
        changed = bytearray(content)
        kind = ("cut", "bytes", "zeros", "turned", "tail")[k % 5]
        where = rng.randrange(1, len(content))
        if kind == "cut":
            changed = changed[:where]
        elif kind == "bytes":
            for _ in range(rng.choice((1, 4, 64))):
                changed[rng.randrange(len(changed))] = rng.randrange(256)
        elif kind == "zeros":
            changed[where : where + 200] = bytes(len(changed[where : where + 200]))
        elif kind == "turned":
            changed = changed[where:] + changed[:where]
        else:
            changed = changed[:where] + rng.randbytes(len(content) - where)
        yield f"{kind}{k}", bytes(changed)


def foreign() -> Files:
    """Nothing, a little, noise, and files of other kinds."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr("data.pkl", b"nothing")
    yield "empty", b""
    yield "byte", b"\x89"
    yield "zeros", bytes(5000)
    yield "noise", random.Random(0).randbytes(5000)
    yield "text", "Grüße, not what you want\n".encode() * 40
    yield "html", HTML
    yield "svg", SVG
    yield "eps", EPS
    yield "pdf", b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"
    yield "zip", archive.getvalue()
    yield "elf", b"\x7fELF\x02\x01\x01" + bytes(200)
    yield "pickle", pickle.dumps({"generator": [1, 2]})
    yield "json", b'{"schema": 1}'


def png(width: int, height: int, depth: int = 8, color: int = 2, body: bytes = b"") -> bytes:
    """A PNG file with this head, whatever its body is."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def bomb(side: int) -> bytes:
    """A sound PNG of a few kilobytes that decodes into side x side pixels of one bit each."""
    packer, rows = zlib.compressobj(9), []
    row = bytes(1 + (side + 7) // 8)
    for _ in range(side // 500):
        rows.append(packer.compress(row * 500))
    return png(side, side, 1, 0, b"".join(rows) + packer.flush())


def images(picture: Image.Image) -> Files:
    """Bad files that are to stand in place of a picture; `picture` is a sound one."""
    sound = {"PNG": encoded(picture, "PNG"), "JPEG": encoded(picture, "JPEG"), "GIF": encoded(picture, "GIF")}
    yield from foreign()
    for width, height in ((0, 0), (0, 64), (2**31 - 1, 2**31 - 1), (100_000, 100_000), (60_000, 2000), (64, 64)):
        yield f"png-says-{width}x{height}", png(width, height)
    yield "png-bomb", bomb(20_000)
    yield "png-text-bomb", text_bomb()
    jpeg = bytearray(sound["JPEG"])
    at = jpeg.index(b"\xff\xc0") + 5
    jpeg[at : at + 4] = struct.pack(">HH", 65_500, 65_500)
    yield "jpeg-says-65500x65500", bytes(jpeg)
    yield "gif-says-65535x65535", sound["GIF"][:6] + struct.pack("<HH", 65535, 65535) + sound["GIF"][10:]
    yield "bmp-says-90000x90000", b"BM" + struct.pack("<IIIIiiHHIIiiII", 54, 0, 54, 40, 90_000, 90_000, 1, 24, *[0] * 6)
    yield "16-bit", encoded(Image.fromarray(np.zeros((64, 64), np.uint16)), "PNG")
    yield "tiff-float", encoded(Image.fromarray(np.zeros((64, 64), np.float32)), "TIFF")
    yield "half-png-half-jpeg", sound["PNG"][: len(sound["PNG"]) // 2] + sound["JPEG"]
    for name, content in damaged(sound["PNG"], 1, 40):
        yield f"png-{name}", content
    for name, content in damaged(sound["JPEG"], 2, 40):
        yield f"jpeg-{name}", content


def text_bomb() -> bytes:
    """A PNG whose comment unpacks to 200 MB."""
    data = b"Comment\0\0" + zlib.compress(bytes(200_000_000), 9)
    chunk = struct.pack(">I", len(data)) + b"zTXt" + data + struct.pack(">I", zlib.crc32(b"zTXt" + data))
    sound = encoded(Image.new("RGB", (64, 64)), "PNG")
    return sound[:33] + chunk + sound[33:]


def encoded(picture: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()


def video(size: int = 64, frames: int = 12, container: str = "mp4") -> bytes:
    """A sound H.264 video of moving noise."""
    stream, rng = io.BytesIO(), np.random.default_rng(0)
    with av.open(stream, "w", format=container) as output:
        track = output.add_stream("libx264", rate=25)
        track.width = track.height = size
        track.pix_fmt = "yuv420p"
        texture = rng.integers(0, 256, (size, size + frames, 3), dtype=np.uint8)
        for number in range(frames):
            picture = np.ascontiguousarray(texture[:, number : number + size])
            output.mux(track.encode(av.VideoFrame.from_ndarray(picture, "rgb24")))
        output.mux(track.encode())
    return stream.getvalue()


def videos(address: str) -> Files:
    """Bad files that are to stand in place of a video. address: what lists of addresses shall name."""
    sound = video()
    yield from foreign()
    yield "hls", HLS.format(address=address).encode()
    yield "concat", CONCAT.format(address=address).encode()
    yield "dash", f'<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{address}</BaseURL></MPD>'.encode()
    yield "sdp", b"v=0\nm=video 5004 RTP/AVP 96\nc=IN IP4 127.0.0.1\na=rtpmap:96 H264/90000\n"
    lying = bytearray(sound)
    at = lying.index(b"avc1") + 28
    lying[at : at + 4] = struct.pack(">HH", 65_000, 65_000)
    yield "mp4-says-65000x65000", bytes(lying)
    yield "mp4-without-frames", sound[: sound.index(b"mdat") + 4] + bytes(len(sound) - sound.index(b"mdat") - 4)
    for name, content in damaged(sound, 3, 60):
        yield f"mp4-{name}", content
    for name, content in damaged(video(container="matroska"), 4, 40):
        yield f"mkv-{name}", content


def texts(sound: str, seed: int, n: int = 40) -> Files:
    """Bad files in place of a text file: damaged, and foreign, and with lines lost, doubled, cut and exchanged."""
    yield from foreign()
    yield "latin-1", sound.encode() + "Größe,é\n".encode("latin-1")
    yield "utf-16", sound.encode("utf-16")
    yield "null", sound.replace(",", "\0", 1).encode()
    yield "long", b"x" * 3_000_000
    yield "deep", b"[" * 200_000
    yield "commas", b"," * 300_000
    yield from damaged(sound.encode(), seed, n)
    rng, lines = random.Random(seed), sound.splitlines(keepends=True)
    for k in range(n):
        changed, at = list(lines), rng.randrange(len(lines))
        if k % 4 == 0:
            del changed[at]
        elif k % 4 == 1:
            changed.insert(rng.randrange(len(lines)), lines[at])
        elif k % 4 == 2:
            changed[at] = changed[at][: rng.randrange(len(changed[at]))] + "\n"
        else:
            other = rng.randrange(len(lines))
            changed[at], changed[other] = changed[other], changed[at]
        yield f"lines{k}", "".join(changed).encode()


def jsons(sound: Mapping, seed: int, n: int = 60) -> Files:
    """Bad files in place of a JSON file: text gone wrong, and sound JSON with one value replaced by another kind's."""
    yield from texts(json.dumps(sound, indent=1), seed, 15)
    rng = random.Random(seed)
    wrong = (None, -1, 1e308, "x", [], {}, True, "../../etc/passwd", [[1]], {"a": {}}, "\u0000", 10**30)
    for k in range(n):
        changed = json.loads(json.dumps(sound))
        place, key = changed, None
        while isinstance(place, (dict, list)) and place and (key is None or rng.random() < 0.75):
            key = rng.choice(sorted(place)) if isinstance(place, dict) else rng.randrange(len(place))
            above, place = place, place[key]
        if k % 3 == 0 and isinstance(above, dict):
            del above[key]
        else:
            above[key] = rng.choice(wrong)
        yield f"value{k}", json.dumps(changed).encode()


def checkpoints(states: Mapping[str, Mapping[str, torch.Tensor]]) -> Files:
    """Bad files in place of a checkpoint of the authors'; `states` are sound: network to its state dict."""
    yield from foreign()
    sound = saved(states)
    for name, content in damaged(sound, 5, 30):
        yield f"pth-{name}", content
    for name, content in damaged(saved(states, _use_new_zipfile_serialization=False), 6, 20):
        yield f"old-pth-{name}", content
    first = next(iter(states))
    for name, content in {
        "list": [1, 2],
        "tensor": torch.zeros(3),
        "no-networks": {"epoch": 3},
        "names-of-numbers": {1: {2: torch.zeros(1)}},
        "one-network": {first: states[first]},
        "text-for-tensors": {key: {name: "x" for name in state} for key, state in states.items()},
        "scalars": {key: {name: torch.zeros(()) for name in state} for key, state in states.items()},
        "nothing-in-them": {key: {name: torch.zeros(0) for name in state} for key, state in states.items()},
        "sparse": {
            key: {name: value.to_sparse() if value.ndim else value for name, value in state.items()}
            for key, state in states.items()
        },
        "complex": {
            key: {name: value.to(torch.complex64) for name, value in state.items()} for key, state in states.items()
        },
    }.items():
        yield name, saved(content)


def saved(content: object, **options: object) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


def safetensors(states: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> Files:
    """Bad files in place of a safetensors checkpoint; the arguments are those of a sound one."""
    yield from foreign()
    sound = to_safetensors(dict(states), dict(metadata))
    length = struct.unpack("<Q", sound[:8])[0]
    yield "head-of-2^63", struct.pack("<Q", 2**63) + sound[8:]
    yield "head-longer-than-file", struct.pack("<Q", len(sound)) + sound[8:]
    head = json.loads(sound[8 : 8 + length])
    first = next(key for key in head if key != "__metadata__")
    for name, change in {
        "offsets-outside": {"data_offsets": [0, 10**12]},
        "offsets-backwards": {"data_offsets": [8, 4]},
        "shape-huge": {"shape": [2**40, 2**20]},
        "shape-negative": {"shape": [-1]},
        "dtype-unknown": {"dtype": "F7"},
    }.items():
        changed = json.dumps(head | {first: head[first] | change}).encode()
        yield name, struct.pack("<Q", len(changed)) + changed + sound[8 + length :]
    for name, text in {"no-json": "{", "list": "[]", "number": "7", "nested": json.dumps({"common_params": 3})}.items():
        yield f"config-{name}", to_safetensors(dict(states), dict(metadata) | {"config": text})
        yield f"training-{name}", to_safetensors(dict(states), dict(metadata) | {"training": text})
    for name, content in damaged(sound, 7, 40):
        yield f"st-{name}", content
