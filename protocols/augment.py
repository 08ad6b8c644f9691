"""OSTNet's expression-preserving augmentation: another face scale, the same expression and pose.

OSTNet, Sec. 3.4 "Scale removal" and Sec. 4.1 "Protocol of different scale evaluation". The authors published neither
their factors nor a seed; this project's factors are frozen in ``data/diffscale_factors.csv``.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from protocols.draw import Draws
from protocols.errors import DataError
from protocols.pairs import Pair, PairList

DELTA = 0.3
SEED = 0
FROZEN = 2083
READINGS = ("two-draws", "draw-plus-original")


def augment(image: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    """Resize an RGB uint8 frame ``(H, W, 3)`` to alpha*H by beta*W, pad it to a square, resize it back to H by W.

    Sizes are rounded to whole pixels. The frame stays in the middle. Padding is black (0), the usual default, since the
    paper names no value. Both resizes use Pillow's bilinear filter, antialiased, in fixed-point integers, so the result
    is the same on every machine. Factors of 1 do not change a square frame. If alpha equals beta, nothing is padded and
    the only effect is the blur of two resizes; that follows from the paper's definition.
    """
    height, width = image.shape[:2]
    new_height, new_width = max(1, round(alpha * height)), max(1, round(beta * width))
    side = max(new_height, new_width)
    square = Image.new("RGB", (side, side))
    resized = Image.fromarray(image).resize((new_width, new_height), Image.Resampling.BILINEAR)
    square.paste(resized, ((side - new_width) // 2, (side - new_height) // 2))
    return np.array(square.resize((width, height), Image.Resampling.BILINEAR))


def draw_factors(n: int, seed: int = SEED, delta: float = DELTA) -> list[tuple[float, float, float, float]]:
    """Return per position of a list of `n`: alpha and beta of the first draw, alpha and beta of the second.

    Uniform in [1 - delta, 1 + delta], rounded to 6 decimals. A longer list starts with the shorter one.
    """
    draws = Draws(seed, "diffscale")

    def one() -> float:
        return round(draws.uniform(1 - delta, 1 + delta), 6)

    return [(one(), one(), one(), one()) for _ in range(n)]


@cache
def frozen_factors() -> list[tuple[float, float, float, float]]:
    """Return this project's published factors for the positions of the 2083-pair list (4166 draws)."""
    file = Path(__file__).parent / "data" / "diffscale_factors.csv"
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    rows = list(csv.reader(lines))[1:]
    return [(float(a), float(b), float(c), float(d)) for _, a, b, c, d in rows]


def different_scale(pairs: PairList, reading: str = READINGS[0]) -> PairList:
    """Return the different-scale form of a same-identity list: twice as many pairs, the targets unchanged.

    OSTNet collects "4166 image pairs" from a list of 2083. reading ``two-draws``: every pair with two draws of the
    factors (ids ``...-a`` and ``...-b``). ``draw-plus-original``: with the first draw and without augmentation
    (``...-a`` and ``...-o``). Factors depend only on the position in the list; beyond the frozen ones they continue the
    same stream. Raises DataError for another reading, a pair without target, or a list that is already augmented.
    """
    if reading not in READINGS:
        raise DataError(
            f"unknown reading {reading!r} of the different-scale list; known are {', '.join(READINGS)}",
            code="unknown-reading",
        )
    factors = frozen_factors()
    if len(pairs) > len(factors):
        factors = draw_factors(len(pairs))
    made: list[Pair] = []
    for pair, (alpha_a, beta_a, alpha_b, beta_b) in zip(pairs.pairs, factors):
        if pair.target is None or (pair.alpha, pair.beta) != (1.0, 1.0):
            raise DataError(
                f"pair {pair.id} of {pairs.name}: the different-scale form needs same-identity pairs",
                code="wrong-pairs",
            )
        made.append(replace(pair, id=f"{pair.id}-a", alpha=alpha_a, beta=beta_a))
        if reading == "two-draws":
            made.append(replace(pair, id=f"{pair.id}-b", alpha=alpha_b, beta=beta_b))
        else:
            made.append(replace(pair, id=f"{pair.id}-o"))
    origin = {"base": pairs.name, "base_sha256": pairs.sha256, "reading": reading, "delta": DELTA, "seed": SEED}
    return PairList(
        f"{pairs.name}-diffscale", pairs.version, tuple(made), {**pairs.provenance, "different_scale": origin}
    )
