"""Meshes with morph targets out of a binary glTF file whose vertex streams are compressed by meshopt.

Written from the texts of glTF 2.0, KHR_mesh_quantization and EXT_meshopt_compression (Khronos Group): no maintained
package reads the last from Python.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from baselines.errors import ModelError

GROUP = 16  # vertices whose bytes share a width
_TYPES = {5120: np.int8, 5121: np.uint8, 5122: np.int16, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
_COMPRESSION = "EXT_meshopt_compression"


@dataclass(frozen=True)
class Morphs:
    """A mesh ``(V, 3)`` and what each named target adds to it ``(k, V, 3)``, in the units of the mesh's node."""

    vertices: np.ndarray
    targets: np.ndarray
    names: tuple[str, ...]


def morphs(content: bytes) -> Morphs:
    """The first mesh with named morph targets of a .glb file, scaled and moved as its own node says.

    Raises ModelError where there is none, or the file is none.
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
    """An accessor's vectors ``(count, 3)``. streams: those decoded so far, by view."""
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
    """A view's bytes ``(count, stride)``."""
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
    """Vertex bytes ``(count, stride)`` of a stream of EXT_meshopt_compression's mode "attributes", version 0.

    Blocks of vertices; in each, byte by byte of the vertex, differences to the vertex before, zigzag, in groups of 16
    of 0, 2, 4 or 8 bits; a 2 or 4-bit number of all ones stands for a whole byte after the group.
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
    """The bytes of so many groups from `at` on, and where they end."""
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
