from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from baselines.errors import ModelError
from baselines.memface.glb import decode, morphs


def encoded(rows: np.ndarray, widths: np.random.Generator) -> bytes:
    """A stream of the compression with widths drawn at random among those that can hold a group."""
    count, stride = rows.shape
    block = min((8192 // stride) & ~15, 256)
    out, last = bytearray([0xA0]), rows[0]
    for first in range(0, count, block):
        part = rows[first : first + block]
        before = np.concatenate([last[None], part[:-1]])
        steps = (part - before).astype(np.int8).astype(int)
        zigzag = ((steps << 1) ^ (steps >> 7)).astype(np.uint8)
        zigzag = np.pad(zigzag, ((0, -len(part) % 16), (0, 0)))
        for byte in range(stride):
            headers, bodies = [], bytearray()
            for group in zigzag[:, byte].reshape(-1, 16):
                code = int(widths.integers(0 if not group.any() else 1, 4))
                headers.append(code)
                if code == 3:
                    bodies += group.tobytes()
                elif code:
                    bits, top = 2 * code, 2 ** (2 * code) - 1
                    small = np.minimum(group, top)
                    per = 8 // bits
                    for k in range(0, 16, per):
                        bodies.append(sum(int(x) << (8 - bits * (i + 1)) for i, x in enumerate(small[k : k + per])))
                    bodies += group[group >= top].tobytes()
            headers += [0] * (-len(headers) % 4)
            out += bytes(sum(c << (2 * i) for i, c in enumerate(headers[k : k + 4])) for k in range(0, len(headers), 4))
            out += bodies
        last = part[-1]
    return bytes(out) + bytes(max(0, 32 - stride)) + rows[0].tobytes()


@given(
    arrays(np.uint8, st.tuples(st.integers(1, 80), st.sampled_from([4, 8, 12])), elements=st.integers(0, 255)),
    st.integers(0, 9),
)
def test_every_stream_is_read_back(rows, seed):
    assert np.array_equal(decode(encoded(rows, np.random.default_rng(seed)), *rows.shape), rows)


def test_blocks_follow_each_other():
    rows = (np.arange(1000 * 8).reshape(1000, 8) // 5 % 256).astype(np.uint8)
    assert np.array_equal(decode(encoded(rows, np.random.default_rng(0)), 1000, 8), rows)


def glb(about: dict, data: bytes) -> bytes:
    text = json.dumps(about).encode()
    return b"glTF" + bytes(8) + len(text).to_bytes(4, "little") + b"JSON" + text + bytes(8) + data


def head(**changes: object) -> bytes:
    points = np.array([[1, 2, 3, 0], [4, 5, 6, 0]], "<u2").view(np.uint8).reshape(2, 8)
    moved = np.array([[-1, 0, 1, 0], [0, 2, 0, 0]], "<i2").view(np.uint8).reshape(2, 8)
    rows = np.concatenate([points, moved])
    packed = encoded(rows, np.random.default_rng(0))
    about = {
        "meshes": [
            {
                "primitives": [{"attributes": {"POSITION": 0}, "targets": [{"POSITION": 1}]}],
                "extras": {"targetNames": ["jawOpen"]},
            }
        ],
        "nodes": [{"mesh": 0, "scale": [0.5] * 3, "translation": [10, 0, 0]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5123, "count": 2},
            {"bufferView": 0, "byteOffset": 16, "componentType": 5122, "count": 2},
        ],
        "bufferViews": [
            {
                "extensions": {
                    "EXT_meshopt_compression": {
                        "byteLength": len(packed),
                        "byteStride": 8,
                        "mode": "ATTRIBUTES",
                        "count": 4,
                    }
                }
            }
        ],
    } | changes
    return glb(about, packed)


def test_a_mesh_and_its_shapes_are_scaled_and_moved_as_the_node_says():
    found = morphs(head())
    assert found.names == ("jawOpen",)
    assert found.vertices.tolist() == [[10.5, 1, 1.5], [12, 2.5, 3]]
    assert found.targets.tolist() == [[[-0.5, 0, 0.5], [0, 1, 0]]]


@pytest.mark.parametrize("content", [b"", b"no such file", head(meshes=[]), head(nodes=[]), head()[:-30]])
def test_what_holds_no_shapes_is_refused(content):
    with pytest.raises(ModelError) as error:
        morphs(content)
    assert error.value.code == "bad-basis"


def test_another_version_is_refused():
    with pytest.raises(ValueError, match="version"):
        decode(b"\xa1" + bytes(40), 1, 4)
