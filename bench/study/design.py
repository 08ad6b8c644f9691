"""Assign stimuli to raters and order them: a balanced incomplete design, drawn with a seed.

A cell is a possible question: a clip by a model, or a clip by a pair of models. All cells are used about equally often,
no rater sees one twice (except repeats), and each rater has a balanced share of clips and models.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

SWAPS = 150  # tries of an exchange between two raters, per rating


@dataclass(frozen=True)
class Cell:
    """A possible question. models: one; two to be compared, in no order."""

    clip: str
    models: tuple[str, ...]


@dataclass(frozen=True)
class Turn:
    """One rating of a rater. models: in the order in which they are shown."""

    clip: str
    models: tuple[str, ...]


def cells(available: Sequence[tuple[str, str]], pairs: bool, against: str | None = None) -> list[Cell]:
    """Return all cells of the available videos (clip, model).

    pairs: compare two models on a clip each time. against: only with this one; all with all where it is None.
    """
    if not pairs:
        return [Cell(clip, (model,)) for clip, model in available]
    by_clip: dict[str, list[str]] = {}
    for clip, model in available:
        by_clip.setdefault(clip, []).append(model)
    return [
        Cell(clip, pair)
        for clip, models in by_clip.items()
        for pair in combinations(models, 2)
        if against is None or against in pair
    ]


def assign(cells: Sequence[Cell], raters: int, each: int, rng: random.Random) -> list[list[Cell]]:
    """Assign every rater `each` different cells.

    The number of uses of two cells differs by one at most. Within a rater, clips and models are as balanced as
    exchanges between raters make them. each: at most the number of cells.
    """
    uses: Counter[Cell] = Counter()
    shares = []
    for _ in range(raters):
        share: list[Cell] = []
        seen: Counter[str | tuple[str, ...]] = Counter()
        left = rng.sample(list(cells), len(cells))
        while len(share) < each:
            fewest = min(uses[cell] for cell in left)
            chosen = min(
                (cell for cell in left if uses[cell] == fewest),
                key=lambda cell: seen[cell.clip] + seen[cell.models],
            )
            left.remove(chosen)
            share.append(chosen)
            uses[chosen] += 1
            seen.update((chosen.clip, chosen.models))
        shares.append(share)
    _exchange(shares, rng)
    return shares


def _exchange(shares: list[list[Cell]], rng: random.Random) -> None:
    """Exchange cells between raters if that balances their shares; the total stays the same."""
    counts = [Counter(part for cell in share for part in (cell.clip, cell.models)) for share in shares]
    held = [set(share) for share in shares]
    if len(shares) < 2 or not shares[0]:
        return
    for _ in range(SWAPS * len(shares) * len(shares[0])):
        a, b = rng.sample(range(len(shares)), 2)
        i, j = rng.randrange(len(shares[a])), rng.randrange(len(shares[b]))
        one, other = shares[a][i], shares[b][j]
        if one in held[b] or other in held[a]:
            continue
        if _gain(counts[a], one, other) + _gain(counts[b], other, one) < 0:  # an even exchange may allow another one
            continue
        for place, at, gone, come in ((a, i, one, other), (b, j, other, one)):
            shares[place][at] = come
            held[place].remove(gone)
            held[place].add(come)
            counts[place].subtract((gone.clip, gone.models))
            counts[place].update((come.clip, come.models))


def _gain(counts: Counter[str | tuple[str, ...]], gone: Cell, come: Cell) -> int:
    """Return by how much the sum of squared counts decreases if a rater has `come` instead of `gone`."""
    gain = 0
    for lost, won in ((gone.clip, come.clip), (gone.models, come.models)):
        if lost != won:
            gain += 2 * (counts[lost] - counts[won] - 1)
    return gain


def sides(shares: Sequence[Sequence[Cell]], rng: random.Random) -> list[list[Turn]]:
    """Choose which model of a pair is shown first: for every cell each equally often, up to one time.

    Where a cell is used an odd number of times, the extra time goes to the model that was first less often over all
    cells.
    """
    turned: list[list[Turn]] = [[] for _ in shares]
    where: dict[Cell, list[int]] = {}
    for slot, share in enumerate(shares):
        for cell in share:
            where.setdefault(cell, []).append(slot)
    lead: Counter[str] = Counter()  # how many times more often a model was first than second
    of_slot: list[Counter[str]] = [Counter() for _ in shares]
    for cell in rng.sample(list(where), len(where)):
        slots = where[cell]
        if len(cell.models) == 1:
            for slot in slots:
                turned[slot].append(Turn(cell.clip, cell.models))
            continue
        low, high = sorted(rng.sample(cell.models, 2), key=lambda model: lead[model])
        # Raters to whom `low` was shown first least often so far see it first.
        order = sorted(rng.sample(slots, len(slots)), key=lambda slot: of_slot[slot][low] - of_slot[slot][high])
        firsts = (len(slots) + 1) // 2
        for number, slot in enumerate(order):
            models = (low, high) if number < firsts else (high, low)
            of_slot[slot].update({models[0]: 1, models[1]: -1})
            lead.update({models[0]: 1, models[1]: -1})
            turned[slot].append(Turn(cell.clip, models))
    return turned


def square(n: int) -> list[list[int]]:
    """Return orders of `n` items: each equally often at every position and, over all rows, after every other item.

    E. J. Williams, Australian Journal of Scientific Research A 2 (1949): n rows where n is even, else 2 n.
    """
    first = [0]
    for step in range(1, n):
        first.append(step // 2 + 1 if step % 2 else n - step // 2)
    rows = [[(value + shift) % n for value in (one % n for one in first)] for shift in range(n)]
    return rows if n % 2 == 0 else rows + [row[::-1] for row in rows]


def order(turned: Sequence[Sequence[Turn]], rng: random.Random) -> list[list[Turn]]:
    """Order every rater's ratings: models by the rows of a `square`, and no clip twice in a row where possible.

    Rater r begins with row r, so that over raters every model (or pair of models) is equally often early and late.
    """
    groups = sorted({tuple(sorted(turn.models)) for turns in turned for turn in turns})
    rng.shuffle(groups)
    rows = square(len(groups)) if groups else []
    ordered = []
    for slot, turns in enumerate(turned):
        queues: dict[tuple[str, ...], list[Turn]] = {group: [] for group in groups} | _shuffled(turns, rng)
        shown: list[Turn] = []
        left = Counter(
            turn.clip for turn in turns
        )  # most remaining ratings first, else they would be adjacent at the end
        block = slot
        while len(shown) < len(turns):
            for place in rows[block % len(rows)]:
                if queue := queues[groups[place]]:
                    last = shown[-1].clip if shown else None
                    turn = max(queue, key=lambda turn: (turn.clip != last, left[turn.clip]))
                    queue.remove(turn)
                    left[turn.clip] -= 1
                    shown.append(turn)
            block += 1
        ordered.append(_apart(shown))
    return ordered


def _shuffled(turns: Sequence[Turn], rng: random.Random) -> dict[tuple[str, ...], list[Turn]]:
    queues: dict[tuple[str, ...], list[Turn]] = {}
    for turn in rng.sample(list(turns), len(turns)):
        queues.setdefault(tuple(sorted(turn.models)), []).append(turn)
    return queues


def _apart(shown: list[Turn]) -> list[Turn]:
    """Exchange ratings where a clip is shown twice in a row and the exchange improves both positions."""
    turns = list(shown)
    for at in range(1, len(turns)):
        if turns[at].clip != turns[at - 1].clip:
            continue
        for other in [*range(at + 1, len(turns)), *range(1, at)]:
            tried = list(turns)
            tried[at], tried[other] = tried[other], tried[at]
            if _together(tried) < _together(turns):
                turns = tried
                break
    return turns


def _together(turns: Sequence[Turn]) -> int:
    return sum(one.clip == other.clip for one, other in zip(turns, turns[1:]))
