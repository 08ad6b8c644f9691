"""Models driven by sound: their input, and the conversion of their stream of frames to batches of pairs."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from baselines.predictor import ModelError, MotionMode, PairBatch, Predictor
from protocols.errors import typed_line
from protocols.plugins import FAILURES
from protocols.sound import Sound


@dataclass(frozen=True)
class Talk:
    """One requested clip of a model driven by sound.

    id: of the clip. sound: mono int16 at 16 kHz, on the clock of the result, whose first frame is at 0.
    times: times of the requested frames, ascending, in seconds from the first. rate: average frames per second.
    begins: the second of the driving video that is 0 here, for features computed from the whole video.
    template: returns on each call the frames of the template video in order, one for each of `times`: RGB
    ``(3, H, W)`` float32 in [0, 1]. identity: of the person in the template. seed: non-negative, for models that draw
    random numbers.
    """

    id: str
    sound: Sound
    times: tuple[float, ...]
    rate: float
    template: Callable[[], Iterator[Tensor]]
    identity: str
    seed: int
    begins: float = 0.0


class TalkingPredictor(Predictor):
    """A model driven by sound: implement `talk`; this class does the rest.

    at_once: number of frames that `talk` should process at a time; it shrinks when memory is short. Results must not
    depend on it beyond rounding.
    """

    driven_by = "sound"
    at_once: int = 16
    _answer: Answer | None = None

    @abstractmethod
    def talk(self, talk: Talk) -> Iterator[Tensor | str]:
        """Yield one frame ``(3, H, W)`` float32 in [0, 1], of the template's size, for each of ``talk.times``.

        For a failed frame, yield the reason in words, or a frame of NaN. Frames are streamed: read the template and
        yield frames as needed, so that no whole video is in memory. The same `talk` must yield the same frames.
        """

    def begin(self, talk: Talk, pairs: Sequence[str]) -> None:
        """Receive the clip of the next calls of `predict`.

        pairs: the ids of its frames, one for each of ``talk.times``, in order.
        """
        self.forget()
        self._answer = Answer(self, talk, pairs)

    def predict(self, batch: PairBatch, mode: MotionMode) -> Tensor:
        """Return the frames ``(N, 3, H, W)`` of `talk` with the ids of the batch, NaN for failed ones.

        The frames of the last batch are kept in case it is requested again; earlier ones are made again. Reads neither
        driving nor target. Raises ModelError for pairs that `begin` did not receive, for frames of a wrong type or
        shape, and if `talk` yields too many.
        """
        self.known_mode(mode)
        if self._answer is None:
            raise ModelError(
                f"{self.name} is driven by sound, and received no clip before its frames", code="wrong-protocol"
            )
        self.at_once = len(batch)
        return self._answer.frames(batch)

    def why_missing(self, pair: str) -> str | None:
        return None if self._answer is None else self._answer.why_missing(pair)

    def forget(self) -> None:
        if self._answer is not None:
            self._answer.close()
            self._answer = None

    def close(self) -> None:
        self.forget()


class Answer:
    """The frames of one `Talk`, made on request; only those of the last batch are kept."""

    def __init__(self, model: TalkingPredictor, talk: Talk, pairs: Sequence[str]) -> None:
        if len(pairs) != len(talk.times):
            raise ValueError(f"{len(pairs)} pairs for {len(talk.times)} points in time")
        self._model, self._talk = model, talk
        self._positions = {pair: position for position, pair in enumerate(pairs)}
        self._stream: Iterator[Tensor | str] | None = None
        self._drawn = 0  # frames that this stream has given
        self._kept: dict[int, Tensor] = {}
        self._reasons: dict[int, str] = {}  # of frames that are kept
        self._failed_at: int | None = None
        self._end: tuple[int, str] | None = None  # from which frame on there are none, and why

    def frames(self, batch: PairBatch) -> Tensor:
        """See `TalkingPredictor.predict`."""
        unknown = next((pair for pair in batch.ids if pair not in self._positions), None)
        if unknown is not None:
            raise ModelError(
                f"{self._model.name}: {unknown} is not a frame of clip {self._talk.id}", code="unknown-pair"
            )
        positions = [self._positions[pair] for pair in batch.ids]
        self._kept = {at: frame for at, frame in self._kept.items() if at >= min(positions)}
        self._reasons = {at: why for at, why in self._reasons.items() if at in self._kept}
        return torch.stack([self._frame(at, batch.source[0], min(positions)) for at in positions])

    def why_missing(self, pair: str) -> str | None:
        """Return why there is no frame; None if there is one."""
        position = self._positions[pair]
        if self._end is None or position < self._end[0]:
            return self._reasons.get(position)
        return self._end[1]

    def close(self) -> None:
        """End the stream and run the generator's clean-up."""
        end = getattr(self._stream, "close", None)
        self._stream, self._drawn = None, 0
        if end is not None:
            end()

    def _frame(self, position: int, like: Tensor, first: int) -> Tensor:
        if position in self._kept:
            return self._kept[position]
        if self._stream is not None and position < self._drawn:  # not kept: from the beginning
            self.close()
        while self._end is None or position < self._end[0]:
            drawn = self._drawn
            frame = self._next(like)
            if frame is None:
                continue
            if drawn >= first:
                self._kept[drawn] = frame
            if drawn == position:
                return frame
        return torch.full_like(like, torch.nan)

    def _next(self, like: Tensor) -> Tensor | None:
        """Return the next frame; None if there is none, then `_end` has the reason.

        A failure is retried once, since memory may have been short; a second one ends the clip.
        """
        try:
            if self._stream is None:
                self._stream = iter(self._model.talk(self._talk))
            frame = next(self._stream, None)
        except ModelError:
            raise
        except FAILURES as error:
            at, again = self._drawn, self._failed_at == self._drawn
            self.close()
            if not again or isinstance(error, (MemoryError, torch.OutOfMemoryError)):
                self._failed_at = at
                raise
            self._end = at, typed_line(error)
            return None
        asked = len(self._talk.times)
        if frame is None:
            self._end = self._drawn, f"talk() ended after {self._drawn} of {asked} frames"
            return None
        if isinstance(frame, str):
            self._reasons[self._drawn] = frame
            frame = torch.full_like(like, torch.nan)
        self._check(frame, like)
        self._drawn += 1
        if self._drawn == asked:
            self._check_end()
        return frame.to(like.device, torch.float32)

    def _check(self, frame: object, like: Tensor) -> None:
        name = f"{self._model.name}: talk()"
        if not isinstance(frame, Tensor):
            raise ModelError(f"{name} returned a {type(frame).__name__}, expected a torch.Tensor", code="bad-frames")
        if frame.shape != like.shape:
            raise ModelError(
                f"{name} returned a frame of shape {tuple(frame.shape)}, expected {tuple(like.shape)}",
                code="bad-frames",
            )
        if not frame.is_floating_point():
            raise ModelError(f"{name} returned a frame of {frame.dtype}, expected floats in [0, 1]", code="bad-frames")

    def _check_end(self) -> None:
        """Raise ModelError if there are more frames: their times would be unknown."""
        assert self._stream is not None
        if next(self._stream, None) is not None:
            raise ModelError(
                f"{self._model.name}: talk() returned more than the requested {len(self._talk.times)} frames",
                code="bad-frames",
            )
