"""Read meshes with morph targets from a binary glTF file with vertex streams compressed by meshopt.

Written from the specifications of glTF 2.0, KHR_mesh_quantization and EXT_meshopt_compression (Khronos Group), since
no maintained Python package reads the last.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from baselines.errors import ModelError

GROUP = 16  # vertices with a common width of bytes
_TYPES = {5120: np.int8, 5121: np.uint8, 5122: np.int16, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
_COMPRESSION = "EXT_meshopt_compression"


@dataclass(frozen=True)
class Morphs:
    """A mesh ``(V, 3)`` and the offsets of its named targets ``(k, V, 3)``, in the units of the mesh's node."""

    vertices: np.ndarray
    targets: np.ndarray
    names: tuple[str, ...]


def morphs(content: bytes) -> Morphs:
    """Return the first mesh with named morph targets of a .glb file, with its node's scale and translation.

    Raises ModelError if there is none, or if it is not such a file.
    """
    try:
        length = int.from_bytes(content[12:16], "little")
        about = json.loads(content[20 : 20 + length])
        data = content[28 + length :]
        number, mesh = next((k, m) for k, m in enumerate(about["meshes"]) if m.get("extras", {}).get("targetNames"))
        node = next(node for node in about["nodes"] if node.get("mesh") == number)
        part = mesh["primitives"][0]
        streams: dict[int, np.ndarray] = {}
        points = _points(about, data, part["attributes"]["POSITION"], streams)
        moved = np.stack([_points(about, data, target["POSITION"], streams) for target in part["targets"]])
    except (ValueError, KeyError, IndexError, StopIteration, TypeError) as error:
        raise ModelError(f"not a .glb file with named shapes ({type(error).__name__})", code="bad-basis") from None
    scale, shift = np.array(node.get("scale", (1, 1, 1))), np.array(node.get("translation", (0, 0, 0)))
    return Morphs(points * scale + shift, moved * scale, tuple(mesh["extras"]["targetNames"]))


def _points(about: dict[str, Any], data: bytes, accessor: int, streams: dict[int, np.ndarray]) -> np.ndarray:
    """Return an accessor's vectors ``(count, 3)``. streams: cache of decoded streams, by view."""
    found = about["accessors"][accessor]
    number = found["bufferView"]
    if number not in streams:
        streams[number] = _stream(about["bufferViews"][number], data)
    kind = np.dtype(_TYPES[found["componentType"]]).newbyteorder("<")
    rows = streams[number]
    first = found.get("byteOffset", 0) // rows.shape[1]
    rows = np.ascontiguousarray(rows[first : first + found["count"], : 3 * kind.itemsize])
    if len(rows) != found["count"]:
        raise ValueError("a stream ends early")
    return rows.view(kind).astype(float)


def _stream(view: dict[str, Any], data: bytes) -> np.ndarray:
    """Return a view's bytes ``(count, stride)``."""
    packed = view.get("extensions", {}).get(_COMPRESSION)
    if packed is None:
        start, stride = view.get("byteOffset", 0), view["byteStride"]
        return np.frombuffer(data, np.uint8, view["byteLength"], start).reshape(-1, stride)
    if packed["mode"] != "ATTRIBUTES" or packed.get("filter", "NONE") != "NONE":
        raise ValueError("vertices are filtered")
    start = packed.get("byteOffset", 0)
    stream = data[start : start + packed["byteLength"]]
    if len(stream) != packed["byteLength"]:
        raise ValueError("a stream ends early")
    return decode(stream, packed["count"], packed["byteStride"])


def decode(packed: bytes, count: int, stride: int) -> np.ndarray:
    """Return vertex bytes ``(count, stride)`` of a stream of EXT_meshopt_compression's mode "attributes", version 0.

    A stream is blocks of vertices. A block has, for each byte of a vertex, zigzag-coded differences to the previous
    vertex in groups of 16 numbers of 0, 2, 4 or 8 bits; in 2 or 4 bits, all ones mean a full byte after the group.
    Raises ValueError for another version, IndexError for a stream that ends early.
    """
    data = np.frombuffer(packed, np.uint8)
    if data[0] != 0xA0:
        raise ValueError("another version of the compression")
    result = np.zeros((count, stride), np.uint8)
    last = data[-stride:].copy()
    block, at = min((8192 // stride) & ~(GROUP - 1), 256), 1
    for first in range(0, count, block):
        size = min(block, count - first)
        for byte in range(stride):
            coded, at = _groups(data, at, -(-size // GROUP))
            zigzag = coded[:size]
            steps = (zigzag >> 1) ^ (0 - (zigzag & 1)).astype(np.uint8)
            result[first : first + size, byte] = np.cumsum(steps, dtype=np.uint8) + last[byte]
        last = result[first + size - 1]
    return result


def _groups(data: np.ndarray, at: int, groups: int) -> tuple[np.ndarray, int]:
    """Return the bytes of `groups` groups from `at`, and their end."""
    found = np.zeros(groups * GROUP, np.uint8)
    header = data[at : at + -(-groups // 4)]
    at += len(header)
    for group in range(groups):
        width = (0, 2, 4, 8)[int(header[group // 4]) >> (group % 4 * 2) & 3]
        if not width:
            continue
        part = data[at : at + 2 * width]
        at += 2 * width
        if width < 8:
            shifts = np.arange(8 - width, -1, -width, dtype=np.uint8)
            part = (part[:, None] >> shifts).ravel() & (2**width - 1)
            whole = part == 2**width - 1
            more = int(whole.sum())
            part[whole] = data[at : at + more]
            at += more
        if len(part) != GROUP:
            raise IndexError("a stream ends early")
        found[group * GROUP : (group + 1) * GROUP] = part
    return found, at
