"""What `python -m bench pairs survey` prints."""

from __future__ import annotations

from collections.abc import Mapping

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from protocols.pairs import PairList
from protocols.published import recognize
from protocols.survey import Count, Survey


def render(console: Console, pairs: PairList, found: Survey, limit: int) -> None:
    """Print counts of the list, of every identity, and of up to `limit` clips that lack frames, the emptiest first."""
    total = found.total
    known = recognize(pairs.sha256)
    name = f"{pairs.name} (the published list {known['name']})" if known else pairs.name
    console.print(f"{name}: sha256 {pairs.sha256}", markup=False, soft_wrap=True)
    states = [count.state for count in found.clips.values()]
    console.print(
        f"pairs: {total.pairs_there} of {total.pairs} complete\n"
        f"frames: {total.frames_there} of {total.frames} found\n"
        f"clips: {states.count('whole')} complete, {states.count('partly')} partial, {states.count('gone')} missing",
        soft_wrap=True,
    )
    console.print(_table("identity", found.identities))
    lacking = {name: count for name, count in found.clips.items() if count.state != "whole"}
    order = sorted(lacking, key=lambda name: (lacking[name].frames_there / lacking[name].frames, name))
    if order and limit:
        console.print(_table("clip with missing frames", {name: lacking[name] for name in order[:limit]}))
        if len(order) > limit:
            console.print(f"... and {len(order) - limit} more clips (--limit)")


def _table(head: str, counts: Mapping[str, Count]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column(head, overflow="fold")
    for name in ("frames found", "of", "pairs complete", "of"):
        table.add_column(name, justify="right")
    for name, count in counts.items():
        table.add_row(escape(name), *map(str, (count.frames_there, count.frames, count.pairs_there, count.pairs)))
    return table
