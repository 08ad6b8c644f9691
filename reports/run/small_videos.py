"""Small versions of a run's videos, to embed in one HTML file."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import av

from protocols.video_writing import add_video
from reports.schema.players import PlayerEntry

BUDGET = 36_000_000  # bytes of all videos together, before base64 (a third more) and without the page's pictures
LADDER = ((160, "24"), (128, "28"), (96, "32"), (64, "40"))  # longer side of a panel and quality: the first that fits


def data_uris(
    entries: Sequence[PlayerEntry], files: Mapping[str, Path]
) -> tuple[tuple[PlayerEntry, ...], dict[str, str]]:
    """Re-encode videos as data URIs, by clip, within `BUDGET`; also return the entries with their panels' new size.

    A file that is not a video has no data URI.
    """
    for side, quality in LADDER:
        small = {entry.clip: _shrunk(entry, side) for entry in entries}
        made = {clip: _encoded(file, small[clip], quality) for clip, file in files.items()}
        if sum(map(len, made.values())) <= BUDGET:
            break
    texts = {clip: base64.b64encode(content).decode("ascii") for clip, content in made.items() if content}
    return tuple(small.values()), {clip: f"data:video/mp4;base64,{text}" for clip, text in texts.items()}


def _shrunk(entry: PlayerEntry, side: int) -> PlayerEntry:
    """Return the entry with panels of even sides, the longer one at most `side`."""
    scale = min(1.0, side / max(entry.tile))
    width, height = (max(2, 2 * round(pixels * scale / 2)) for pixels in entry.tile)
    return entry.but(tile=(width, height))


def _encoded(file: Path, entry: PlayerEntry, quality: str) -> bytes:
    """Return the video with panels of the entry's size, as the bytes of an mp4 file; empty if it cannot be read."""
    try:
        return _shrink(file, entry, quality)
    except (OSError, ValueError):  # PyAV's errors derive from these
        return b""


def _shrink(file: Path, entry: PlayerEntry, quality: str) -> bytes:
    sink = io.BytesIO()
    rows = -(-len(entry.panels) // entry.columns)
    width, height = entry.columns * entry.tile[0], rows * entry.tile[1]
    with av.open(str(file)) as source, av.open(sink, "w", format="mp4") as output:
        pictures, heard = source.streams.video[0], source.streams.best("audio")
        assert pictures.time_base is not None  # an mp4 file has one
        options = {"crf": quality, "preset": "veryfast", "bf": "0", "g": "12"}
        rate = pictures.average_rate or Fraction(25)
        stream = add_video(output, "libx264", options, (height, width), rate, pictures.time_base)
        copied = None if heard is None else output.add_stream_from_template(heard)
        for packet in source.demux([pictures] if heard is None else [pictures, heard]):
            if copied is not None and packet.stream is heard:
                if packet.size:  # the last packet is empty and only flushes decoders
                    packet.stream = copied
                    output.mux(packet)
                continue
            for frame in packet.decode():
                assert isinstance(frame, av.VideoFrame)  # of the other stream
                output.mux(stream.encode(_resized(frame, width, height)))
        output.mux(stream.encode(None))
    return sink.getvalue()


def _resized(frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    small = frame.reformat(width=width, height=height, interpolation="AREA")
    small.pts, small.time_base, small.pict_type = frame.pts, frame.time_base, 0
    return small
