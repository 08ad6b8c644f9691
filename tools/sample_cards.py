"""Write the measured part of the sample checkpoints' cards from runs over the sample set.

    python tools/sample_cards.py RUN [RUN …]

What a card says above its heading "Held-out frames" (file, command, data) stays as it is. Where several runs of a
protocol have a model, the first one counts.
"""

from __future__ import annotations

import sys
from pathlib import Path

from baselines.card import card
from protocols.names import STILL
from reports.schema.manifest import Manifest, parse_manifest
from reports.schema.summary import Row, Summary, parse_summary

HEADING = "## Held-out frames"


def main(runs: list[Path]) -> None:
    loaded = [
        (parse_manifest((run / "manifest.json").read_bytes()), parse_summary((run / "summary.json").read_bytes()))
        for run in runs
    ]
    names = dict.fromkeys(m.name for manifest, _ in loaded for m in manifest.models if m.sample_weights)
    for name in names:
        file = card(name).sample.with_suffix(".md")
        head = file.read_text().partition(HEADING)[0]
        parts: dict[str, str] = {}
        for manifest, summary in loaded:
            if name in summary.models and manifest.protocol.name not in parts:
                parts[manifest.protocol.name] = section(name, manifest, summary)
        file.write_text(f"{head}{HEADING}\n\n{INTRODUCTION}\n" + "\n".join(parts.values()))
        print(file)


INTRODUCTION = """The people are those of the training clips, the frames are of other clips or parts. Intervals are the
report's: 95 %, over identities, then videos, then pairs. p: two-sided paired sign-flip test against `copy-source` over
pairs; pairs of one clip resemble each other, so it says more than three people can: with whole identities flipped, no p
below 0.25 is possible. `python -m bench run --models MODEL --protocol PROTOCOL --data sample` measures it again. Beside
a metric's name stands the short form of its signature, which the run's manifest and report spell out.
"""


def section(name: str, manifest: Manifest, summary: Summary) -> str:
    rows = summary.by_model()
    duels = {(duel.metric, duel.a, duel.b): duel for duel in summary.comparisons}
    pairs, protocol = summary.clusters.pairs, manifest.protocol
    lines = [
        f"`{protocol.name}` on the sample set, {pairs} pairs ({protocol.mode} motion):",
        "",
        f"| metric | {name} | {STILL} | pairs | better on | p |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for metric in manifest.metrics:
        own, bound = (rows.get((model, metric.name)) for model in (name, STILL))
        if not own or not bound or own.mean is None or bound.mean is None:
            continue
        duel = duels.get((metric.name, name, STILL)) or duels.get((metric.name, STILL, name))
        if not duel:
            continue
        wins = duel.win_rate if duel.a == name else 1 - duel.win_rate
        arrow = "higher" if metric.higher_is_better else "lower"
        signature = metric.short.partition("|")[2].replace("|", "\\|")
        name_cell = f"{metric.name} ({arrow} is better) `{signature}`"
        cells = [name_cell, shown(own), shown(bound), f"{duel.n} of {pairs}"]
        p = duel.p_pair
        lines.append(
            "| " + " | ".join(cells + [f"{100 * wins:.0f} %", "≤ 1e-4" if p <= 1.001e-4 else f"{p:.2g}"]) + " |"
        )
    return "\n".join(lines) + "\n"


def shown(row: Row) -> str:
    return f"{row.mean:.4g} [{row.ci_low:.4g}, {row.ci_high:.4g}]"


if __name__ == "__main__":
    main([Path(run) for run in sys.argv[1:]])
